package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// parzen is a mixture of product kernels, one for each observation and one for
// the prior: truncated normals for numbers, smoothed choices for the rest. Widths
// and weights are Optuna's (version 5, multivariate, its defaults), so that the
// two can be compared number by number.
type parzen struct {
	weights []float64 // of the kernels, summing to 1
	logs    []float64 // of the weights
	columns []column
}

// column is what the kernels are in one dimension.
type column struct {
	d *Dimension
	// Of numbers, on the scale of the logarithm for LogUniform: centre, width, log
	// mass between low and high, and log of the highest density of each kernel.
	mu, sigma, mass, peak []float64
	low, high             float64
	// Of choices: the probabilities of each kernel.
	choices [][]float64
}

const (
	priorWeight = 1.0
	// fullWeight is the number of newest observations that count in full; older
	// ones count less, down to 1/n.
	fullWeight = 25
)

// coordinate is a value as the kernels see it: a number, or the place of a choice.
func (d *Dimension) coordinate(v any) float64 {
	if d.Kind == Values {
		return float64(d.index(v))
	}
	switch x := v.(type) {
	case int64:
		return float64(x)
	case float64:
		return x
	}
	return math.NaN()
}

// edges are the ends of the range on the kernels' scale; a quantised range
// reaches half a step further.
func (d *Dimension) edges() (low, high float64) {
	low, high = d.Min-d.Step/2, d.Max+d.Step/2
	if d.Kind != LogUniform {
		return low, high
	}
	if low <= 0 {
		low = d.Min / 2
	}
	return math.Log(low), math.Log(high)
}

// scale moves a coordinate to the kernels' scale.
func (d *Dimension) scale(x float64) float64 {
	if d.Kind == LogUniform {
		return math.Log(x)
	}
	return x
}

// newParzen takes the observations in the order of their age, the oldest first:
// observations[i][j] is the coordinate of dimension j.
func newParzen(dimensions []*Dimension, observations [][]float64) *parzen {
	n := len(observations)
	p := &parzen{weights: make([]float64, n+1), logs: make([]float64, n+1)}
	for i := range n {
		p.weights[i] = 1
		if ramp := n - fullWeight; n >= fullWeight && i < ramp {
			first := 1 / float64(n)
			p.weights[i] = first
			if ramp > 1 {
				p.weights[i] += (1 - first) * float64(i) / float64(ramp-1)
			}
		}
	}
	p.weights[n] = priorWeight
	sum := 0.0
	for _, w := range p.weights {
		sum += w
	}
	for i := range p.weights {
		p.weights[i] /= sum
		p.logs[i] = math.Log(p.weights[i])
	}
	p.columns = make([]column, len(dimensions))
	var making sync.WaitGroup
	for j, d := range dimensions {
		making.Go(func() {
			x := make([]float64, n)
			for i := range x {
				x[i] = observations[i][j]
			}
			if d.Kind == Values {
				p.columns[j] = chosen(d, x)
			} else {
				p.columns[j] = measured(d, x)
			}
		})
	}
	making.Wait()
	return p
}

// chosen makes the kernels of a choice: the observed value, and a share of the
// prior spread over all.
func chosen(d *Dimension, x []float64) column {
	c := column{d: d, choices: make([][]float64, len(x)+1)}
	share := priorWeight / float64(len(x)+1)
	for i := range c.choices {
		row := make([]float64, len(d.Values))
		sum := 0.0
		for v := range row {
			row[v] = share
			if i < len(x) && v == int(x[i]) {
				row[v]++
			}
			sum += row[v]
		}
		for v := range row {
			row[v] /= sum
		}
		c.choices[i] = row
	}
	return c
}

// measured makes the kernels of a number. The width of each is the distance to
// its farther neighbour (Bergstra et al., "Algorithms for hyper-parameter
// optimization", NIPS 2011, section 4.2), at least a share of the range.
func measured(d *Dimension, x []float64) column {
	c := column{d: d}
	c.low, c.high = d.edges()
	width := c.high - c.low
	n := len(x)
	c.mu = make([]float64, n+1)
	for i := range x {
		c.mu[i] = d.scale(x[i])
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case c.mu[a] < c.mu[b]:
			return -1
		case c.mu[a] > c.mu[b]:
			return 1
		}
		return 0
	})
	at := func(i int) float64 { // the i-th in order, with the ends of the range beside
		switch {
		case i < 0:
			return c.low
		case i >= n:
			return c.high
		}
		return c.mu[order[i]]
	}
	least := width / min(100, float64(n+2))
	c.sigma = make([]float64, n+1)
	for i := range order {
		sigma := max(at(i)-at(i-1), at(i+1)-at(i))
		switch {
		case n >= 2 && i == 0:
			sigma = at(1) - at(0)
		case n >= 2 && i == n-1:
			sigma = at(n-1) - at(n-2)
		}
		c.sigma[order[i]] = min(max(sigma, least), width)
	}
	c.mu[n], c.sigma[n] = (c.low+c.high)/2, width
	c.mass, c.peak = make([]float64, n+1), make([]float64, n+1)
	for i := range c.mass {
		c.mass[i] = logMass((c.low-c.mu[i])/c.sigma[i], (c.high-c.mu[i])/c.sigma[i])
		c.peak[i] = -math.Log(math.Sqrt(2*math.Pi)*c.sigma[i]) - c.mass[i]
	}
	return c
}

// logMass is the logarithm of the probability of a standard normal between a and
// b, computed in the tail where it keeps its digits.
func logMass(a, b float64) float64 {
	switch {
	case a > 0:
		a, b = -b, -a
		fallthrough
	case b <= 0:
		return math.Log((math.Erfc(-b/math.Sqrt2) - math.Erfc(-a/math.Sqrt2)) / 2)
	}
	return math.Log((math.Erf(b/math.Sqrt2) - math.Erf(a/math.Sqrt2)) / 2)
}

// logDensity is the logarithm of the density at a point given by coordinates; of
// quantised dimensions and choices, of the probability.
func (p *parzen) logDensity(x []float64) float64 {
	terms := slices.Clone(p.logs)
	for j := range p.columns {
		p.columns[j].add(terms, x[j])
	}
	top := slices.Max(terms)
	if math.IsInf(top, -1) {
		return top
	}
	sum := 0.0
	for _, t := range terms {
		if t > top-40 { // below the last bit of the sum
			sum += math.Exp(t - top)
		}
	}
	return top + math.Log(sum)
}

// add adds the log density of each kernel at x.
func (c *column) add(terms []float64, x float64) {
	if c.choices != nil {
		for i := range terms {
			terms[i] += math.Log(c.choices[i][int(x)])
		}
		return
	}
	if c.d.Step > 0 {
		left, right := c.d.scale(max(x-c.d.Step/2, c.least(x))), c.d.scale(x+c.d.Step/2)
		for i := range terms {
			terms[i] += logMass((left-c.mu[i])/c.sigma[i], (right-c.mu[i])/c.sigma[i]) - c.mass[i]
		}
		return
	}
	x = c.d.scale(x)
	for i := range terms {
		z := (x - c.mu[i]) / c.sigma[i]
		terms[i] += c.peak[i] - z*z/2
	}
}

// least keeps the left edge of a cell of a logarithmic range above 0.
func (c *column) least(x float64) float64 {
	if c.d.Kind == LogUniform {
		return x / 2
	}
	return math.Inf(-1)
}

// sample draws a point: a kernel by its weight, then every dimension from it.
func (p *parzen) sample(rng *rand.Rand) []any {
	u, kernel := rng.Float64(), 0
	for ; kernel < len(p.weights)-1 && u >= p.weights[kernel]; kernel++ {
		u -= p.weights[kernel]
	}
	out := make([]any, len(p.columns))
	for j := range p.columns {
		out[j] = p.columns[j].sample(rng.Float64(), kernel)
	}
	return out
}

func (c *column) sample(u float64, kernel int) any {
	if c.choices != nil {
		row := c.choices[kernel]
		v := 0
		for ; v < len(row)-1 && u >= row[v]; v++ {
			u -= row[v]
		}
		return c.d.typed(c.d.Values[v])
	}
	mu, sigma := c.mu[kernel], c.sigma[kernel]
	a, b := math.Erf((c.low-mu)/sigma/math.Sqrt2), math.Erf((c.high-mu)/sigma/math.Sqrt2)
	x := mu + sigma*math.Sqrt2*math.Erfinv(a+u*(b-a))
	x = min(max(x, c.low), c.high)
	if c.d.Kind == LogUniform {
		x = math.Exp(x)
	}
	return c.d.near(x)
}
