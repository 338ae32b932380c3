package search

import (
	"cmp"
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
	most    float64   // the logarithm of the greatest
	columns []column
}

// column is what the kernels are in one dimension.
type column struct {
	d *Dimension
	// Of numbers, on the scale of the logarithm for LogUniform: centre, width, log
	// mass between low and high, and log of the highest density of each kernel; the
	// observations from the least to the greatest, and the highest of peak.
	mu, sigma, mass, peak []float64
	order                 []int32
	low, high, top        float64
	// Of choices: what each kernel has observed, and the probabilities of a kernel by
	// that. The prior has observed len(Values).
	observed []int32
	choices  [][]float64
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
	p := &parzen{columns: make([]column, len(dimensions))}
	var making sync.WaitGroup
	for j, d := range dimensions {
		making.Go(func() {
			x := make([]float64, len(observations))
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
	p.weigh(len(observations))
	return p
}

// insert adds an observation before the one at place i, and remove takes one away.
// After some of them weigh must be called with the number of observations.
func (p *parzen) insert(i int, x []float64) {
	for j := range p.columns {
		p.columns[j].insert(i, x[j])
	}
}

func (p *parzen) remove(i int) {
	for j := range p.columns {
		p.columns[j].remove(i)
	}
}

// weigh sets all that depends on the number of observations.
func (p *parzen) weigh(n int) {
	p.weights = slices.Grow(p.weights[:0], n+1)[:n+1]
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
	}
	p.most = math.Log(slices.Max(p.weights))
	for j := range p.columns {
		if c := &p.columns[j]; c.d.Kind == Values {
			c.share(n)
		} else {
			c.top = slices.Max(c.peak)
		}
	}
}

// chosen makes the kernels of a choice: the observed value, and a share of the
// prior spread over all.
func chosen(d *Dimension, x []float64) column {
	c := column{d: d, observed: make([]int32, len(x)+1)}
	for i := range x {
		c.observed[i] = int32(x[i])
	}
	c.observed[len(x)] = int32(len(d.Values))
	return c
}

// share sets the probabilities of the choices among n observations.
func (c *column) share(n int) {
	share := priorWeight / float64(n+1)
	c.choices = make([][]float64, len(c.d.Values)+1)
	for seen := range c.choices {
		row := make([]float64, len(c.d.Values))
		sum := 0.0
		for v := range row {
			row[v] = share
			if v == seen {
				row[v]++
			}
			sum += row[v]
		}
		for v := range row {
			row[v] /= sum
		}
		c.choices[seen] = row
	}
}

// measured makes the kernels of a number. The width of each is the distance to
// its farther neighbour (Bergstra et al., "Algorithms for hyper-parameter
// optimization", NIPS 2011, section 4.2), at least a share of the range.
func measured(d *Dimension, x []float64) column {
	c := column{d: d}
	c.low, c.high = d.edges()
	n := len(x)
	c.mu, c.sigma, c.mass, c.peak = make([]float64, n+1), make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)
	c.order = make([]int32, n)
	for i := range x {
		c.mu[i], c.order[i] = d.scale(x[i]), int32(i)
	}
	slices.SortStableFunc(c.order, func(a, b int32) int {
		switch {
		case c.mu[a] < c.mu[b]:
			return -1
		case c.mu[a] > c.mu[b]:
			return 1
		}
		return 0
	})
	c.mu[n] = (c.low + c.high) / 2
	c.widen(n, c.high-c.low)
	for i := range c.order {
		c.adjust(i)
	}
	return c
}

// manyKernels is the number of observations from which on the least width of a kernel
// does not depend on their number.
const manyKernels = 98

// adjust sets the width of the kernel at a place in the order.
func (c *column) adjust(place int) {
	n, width := len(c.order), c.high-c.low
	at := func(i int) float64 { // the i-th in order, with the ends of the range beside
		switch {
		case i < 0:
			return c.low
		case i >= n:
			return c.high
		}
		return c.mu[c.order[i]]
	}
	sigma := max(at(place)-at(place-1), at(place+1)-at(place))
	switch {
	case n >= 2 && place == 0:
		sigma = at(1) - at(0)
	case n >= 2 && place == n-1:
		sigma = at(n-1) - at(n-2)
	}
	least := width / min(manyKernels+2, float64(n+2))
	c.widen(int(c.order[place]), min(max(sigma, least), width))
}

// widen sets the width of a kernel and what follows from it.
func (c *column) widen(i int, sigma float64) {
	c.sigma[i] = sigma
	c.mass[i] = logMass((c.low-c.mu[i])/sigma, (c.high-c.mu[i])/sigma)
	c.peak[i] = -math.Log(math.Sqrt(2*math.Pi)*sigma) - c.mass[i]
}

func (c *column) insert(i int, x float64) {
	if c.d.Kind == Values {
		c.observed = slices.Insert(c.observed, i, int32(x))
		return
	}
	for k, o := range c.order {
		if int(o) >= i {
			c.order[k]++
		}
	}
	mu := c.d.scale(x)
	c.mu = slices.Insert(c.mu, i, mu)
	c.sigma, c.mass, c.peak = slices.Insert(c.sigma, i, 0), slices.Insert(c.mass, i, 0), slices.Insert(c.peak, i, 0)
	place, _ := slices.BinarySearchFunc(c.order, int32(i), func(o, i int32) int {
		return cmp.Or(cmp.Compare(c.mu[o], mu), cmp.Compare(o, i))
	})
	c.order = slices.Insert(c.order, place, int32(i))
	c.settle(place-1, place+1)
}

func (c *column) remove(i int) {
	if c.d.Kind == Values {
		c.observed = slices.Delete(c.observed, i, i+1)
		return
	}
	place := slices.Index(c.order, int32(i))
	c.order = slices.Delete(c.order, place, place+1)
	for k, o := range c.order {
		if int(o) > i {
			c.order[k]--
		}
	}
	c.mu, c.sigma = slices.Delete(c.mu, i, i+1), slices.Delete(c.sigma, i, i+1)
	c.mass, c.peak = slices.Delete(c.mass, i, i+1), slices.Delete(c.peak, i, i+1)
	c.settle(place-1, place)
}

// settle sets the widths of the kernels from one place to another, whose neighbours
// have changed; of all as long as they are few.
func (c *column) settle(from, to int) {
	if len(c.order) <= manyKernels+1 {
		from, to = 0, len(c.order)
	}
	for place := max(from, 0); place <= min(to, len(c.order)-1); place++ {
		c.adjust(place)
	}
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

// spot is what the kernels of a column need to know of a coordinate: on their scale,
// with the edges of its cell if the range is quantised, or the log probabilities by
// what a kernel has observed.
type spot struct {
	x, left, right float64
	chosen         []float64
}

func (c *column) spot(x float64) spot {
	switch {
	case c.d.Kind == Values:
		s := spot{chosen: make([]float64, len(c.choices))}
		for seen := range c.choices {
			s.chosen[seen] = math.Log(c.choices[seen][int(x)])
		}
		return s
	case c.d.Step > 0:
		return spot{x: c.d.scale(x), left: c.d.scale(max(x-c.d.Step/2, c.least(x))), right: c.d.scale(x + c.d.Step/2)}
	}
	return spot{x: c.d.scale(x)}
}

// term is the log density of kernel i.
func (c *column) term(i int, s *spot) float64 {
	switch {
	case c.d.Kind == Values:
		return s.chosen[c.observed[i]]
	case c.d.Step > 0:
		return logMass((s.left-c.mu[i])/c.sigma[i], (s.right-c.mu[i])/c.sigma[i]) - c.mass[i]
	}
	z := (s.x - c.mu[i]) / c.sigma[i]
	return c.peak[i] - z*z/2
}

// highest is no less than the term of any kernel. A cell has at most the highest
// density times its width.
func (c *column) highest(s *spot) float64 {
	switch {
	case c.d.Kind == Values:
		return slices.Max(s.chosen)
	case c.d.Step > 0:
		return min(0, c.top+math.Log(s.right-s.left))
	}
	return c.top
}

// narrow keeps those of the kernels alive whose slack, which is by how much the
// highest possible sum of their terms exceeds what counts, stays above 0 when the
// highest term of this column gives way to their own. The term of a cell is taken
// too high here, which is cheaper. Every kernel is written and some are written over,
// because whether one stays cannot be foreseen.
func (c *column) narrow(alive []int32, slack []float64, s *spot, highest float64) ([]int32, []float64) {
	n := 0
	switch {
	case c.d.Kind == Values:
		for k, i := range alive {
			rest := slack[k] - highest + s.chosen[c.observed[i]]
			alive[n], slack[n] = i, rest
			if rest > 0 {
				n++
			}
		}
	case c.d.Step > 0:
		width := math.Log(s.right - s.left)
		for k, i := range alive {
			z := max(0, s.left-c.mu[i], c.mu[i]-s.right) / c.sigma[i]
			rest := slack[k] - highest + min(0, c.peak[i]+width) - z*z/2
			alive[n], slack[n] = i, rest
			if rest > 0 {
				n++
			}
		}
	default:
		for k, i := range alive {
			z := (s.x - c.mu[i]) / c.sigma[i]
			rest := slack[k] - highest + c.peak[i] - z*z/2
			alive[n], slack[n] = i, rest
			if rest > 0 {
				n++
			}
		}
	}
	return alive[:n], slack[:n]
}

// negligible is how far below the highest term one is below the last bit of the sum
// of ten thousand.
const negligible = 40

// logDensity is the logarithm of the density at a point given by coordinates; of
// quantised dimensions and choices, of the probability. Of the kernels, those that
// can be seen to be negligible beside the prior are left out dimension by dimension:
// of many observations nearly all.
func (p *parzen) logDensity(x []float64) float64 {
	prior := len(p.weights) - 1
	spots := make([]spot, len(p.columns))
	highest := make([]float64, len(p.columns))
	term := func(i int) float64 {
		t := math.Log(p.weights[i])
		for j := range p.columns {
			t += p.columns[j].term(i, &spots[j])
		}
		return t
	}
	most := p.most
	for j := range p.columns {
		spots[j] = p.columns[j].spot(x[j])
		highest[j] = p.columns[j].highest(&spots[j])
		most += highest[j]
	}
	last := term(prior)
	alive, slack := make([]int32, prior), make([]float64, prior)
	for i := range alive {
		alive[i], slack[i] = int32(i), most-last+negligible+1 // 1 is far above all rounding
	}
	for j := range p.columns {
		alive, slack = p.columns[j].narrow(alive, slack, &spots[j], highest[j])
	}
	terms := make([]float64, 0, len(alive)+1)
	for _, i := range alive {
		terms = append(terms, term(int(i)))
	}
	terms = append(terms, last)
	top := slices.Max(terms)
	if math.IsInf(top, -1) {
		return top
	}
	sum := 0.0
	for _, t := range terms {
		if t > top-negligible {
			sum += math.Exp(t - top)
		}
	}
	return top + math.Log(sum)
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
	if c.d.Kind == Values {
		row := c.choices[c.observed[kernel]]
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
