package diagnose

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/deconfound/deconfound/host/stats"
)

// Association of two categorical variables of the same rows.
type Association struct {
	// Information is the mutual information Σ p(a,b) log p(a,b)/(p(a)p(b)), in nats.
	Information float64
	// ChiSquare is Pearson's Σ(O−E)²/E with DF degrees of freedom and its upper
	// tail P, without continuity correction.
	ChiSquare float64
	DF        int
	P         float64
	// CramersV is √(χ²/(n·min(r−1, c−1))) (Cramér 1946), 0 to 1.
	CramersV float64
	// Permuted is the permutation p-value of Information; NaN without permutations.
	Permuted float64
	N        int
}

// Associate measures how two codings go together; negative codes are unknown and
// their rows are left out. All is NaN when one of the variables does not vary.
// With permutations the labels b are shuffled that many times over the rows.
func Associate(a, b []int, permutations int, r *rand.Rand) Association {
	check("codes", len(b), len(a))
	var x, y []int
	for i := range a {
		if a[i] >= 0 && b[i] >= 0 {
			x, y = append(x, a[i]), append(y, b[i])
		}
	}
	x, rows := compact(x)
	y, columns := compact(y)
	nan := math.NaN()
	out := Association{Information: nan, ChiSquare: nan, P: nan, CramersV: nan, Permuted: nan, N: len(x)}
	if rows < 2 || columns < 2 {
		return out
	}
	count := contingency(x, y, rows, columns)
	n := float64(len(x))
	left, right := margins(count, rows, columns)
	out.ChiSquare = 0
	for i := range rows {
		for j := range columns {
			expected := left[i] * right[j] / n
			d := count[i*columns+j] - expected
			out.ChiSquare += d * d / expected
		}
	}
	out.DF = (rows - 1) * (columns - 1)
	out.P = chiSquareTail(out.ChiSquare, float64(out.DF))
	out.CramersV = math.Sqrt(out.ChiSquare / (n * float64(min(rows, columns)-1)))
	out.Information = information(count, left, right)
	if permutations > 0 {
		hits := 0
		for range permutations {
			r.Shuffle(len(y), func(i, j int) { y[i], y[j] = y[j], y[i] })
			if information(contingency(x, y, rows, columns), left, right) >= out.Information-1e-12 {
				hits++
			}
		}
		out.Permuted = float64(1+hits) / float64(1+permutations)
	}
	return out
}

// compact renumbers codes from 0 in the order in which they appear.
func compact(codes []int) ([]int, int) {
	number := map[int]int{}
	out := make([]int, len(codes))
	for i, c := range codes {
		k, known := number[c]
		if !known {
			k = len(number)
			number[c] = k
		}
		out[i] = k
	}
	return out, len(number)
}

func contingency(a, b []int, rows, columns int) []float64 {
	out := make([]float64, rows*columns)
	for i := range a {
		out[a[i]*columns+b[i]]++
	}
	return out
}

func margins(count []float64, rows, columns int) (left, right []float64) {
	left, right = make([]float64, rows), make([]float64, columns)
	for i := range rows {
		for j := range columns {
			left[i] += count[i*columns+j]
			right[j] += count[i*columns+j]
		}
	}
	return left, right
}

func information(count, left, right []float64) float64 {
	n, sum := 0.0, 0.0
	for _, l := range left {
		n += l
	}
	for i, l := range left {
		for j, r := range right {
			if c := count[i*len(right)+j]; c > 0 {
				sum += c / n * math.Log(c*n/(l*r))
			}
		}
	}
	return math.Max(0, sum)
}

func chiSquareTail(x, df float64) float64 {
	return distuv.ChiSquared{K: df}.Survival(math.Max(x, 0))
}

// z95 is the normal quantile of a two-sided 95 % interval.
const z95 = 1.959963984540054

// RiskRatio is P(event | exposed) / P(event | not exposed) with the 95 % limits of
// Katz et al. (Biometrics 1978). NaN where a group has no event or no rows.
func RiskRatio(exposed, event []bool) stats.Interval {
	a, b, c, d := fourfold(exposed, event)
	if a == 0 || c == 0 {
		return undefined()
	}
	ratio := (a / (a + b)) / (c / (c + d))
	return logInterval(math.Log(ratio), math.Sqrt(1/a-1/(a+b)+1/c-1/(c+d)))
}

// OddsRatio is the odds of the event among the exposed over those among the
// others, with Woolf's 95 % limits (1955). NaN when a cell is empty.
func OddsRatio(exposed, event []bool) stats.Interval {
	a, b, c, d := fourfold(exposed, event)
	if a*b*c*d == 0 {
		return undefined()
	}
	return logInterval(math.Log(a*d/(b*c)), math.Sqrt(1/a+1/b+1/c+1/d))
}

func fourfold(exposed, event []bool) (a, b, c, d float64) {
	check("events", len(event), len(exposed))
	for i := range exposed {
		switch {
		case exposed[i] && event[i]:
			a++
		case exposed[i]:
			b++
		case event[i]:
			c++
		default:
			d++
		}
	}
	return a, b, c, d
}

// AdjustedOddsRatio is the odds ratio of y when exposure is 1 rather than 0, given
// the covariates x, [n, width], by logistic regression, with Wald's 95 % limits;
// clusters, if not nil, make them robust to rows that share a patient. Columns of
// x that repeat others are left out. ErrDependent says that the covariates
// determine the exposure, so that nobody with other exposure is comparable; other
// errors are those of FitLogit.
func AdjustedOddsRatio(exposure, y, x []float64, width int, clusters []int64) (stats.Interval, error) {
	n := len(y)
	check("exposures", len(exposure), n)
	check("values", len(x), n*width)
	joined := make([]float64, 0, n*(width+1))
	for i := range n {
		joined = append(joined, x[i*width:(i+1)*width]...)
		joined = append(joined, exposure[i])
	}
	columns := Independent(joined, width+1)
	last := len(columns) - 1
	if last < 0 || columns[last] != width {
		return undefined(), ErrDependent
	}
	model, err := FitLogit(takeColumns(joined, width+1, columns), len(columns), y, LogitOptions{Clusters: clusters})
	if err != nil {
		return undefined(), err
	}
	return logInterval(model.Coefficients[last+1], math.Sqrt(model.Covariance.At(last+1, last+1))), nil
}

// Independent lists the columns of x, [n, width], that are not constant and no
// linear combination of the columns before them (Gram-Schmidt, twice, on centred
// columns; a remainder below 1e-7 of the column's own length counts as nothing).
func Independent(x []float64, width int) []int {
	if width == 0 {
		return nil
	}
	n := len(x) / width
	var basis [][]float64
	var kept []int
	for j := range width {
		column, mean := make([]float64, n), 0.0
		for i := range column {
			column[i] = x[i*width+j]
			mean += column[i] / float64(n)
		}
		for i := range column {
			column[i] -= mean
		}
		length := norm(column)
		if length <= 1e-12*math.Sqrt(float64(n))*math.Max(1, math.Abs(mean)) {
			continue
		}
		for range 2 {
			for _, b := range basis {
				d := dot(column, b)
				for i := range column {
					column[i] -= d * b[i]
				}
			}
		}
		rest := norm(column)
		if rest < 1e-7*length {
			continue
		}
		for i := range column {
			column[i] /= rest
		}
		basis, kept = append(basis, column), append(kept, j)
	}
	return kept
}

func takeColumns(x []float64, width int, columns []int) []float64 {
	n := len(x) / max(width, 1)
	out := make([]float64, 0, n*len(columns))
	for i := range n {
		for _, j := range columns {
			out = append(out, x[i*width+j])
		}
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

func norm(a []float64) float64 { return math.Sqrt(dot(a, a)) }

func logInterval(log, se float64) stats.Interval {
	return stats.Interval{
		Estimate: stats.Number(math.Exp(log)),
		Low:      stats.Number(math.Exp(log - z95*se)), High: stats.Number(math.Exp(log + z95*se)),
	}
}

func undefined() stats.Interval {
	nan := stats.Number(math.NaN())
	return stats.Interval{Estimate: nan, Low: nan, High: nan}
}
