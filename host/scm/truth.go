package scm

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// maxNonlinear is the largest number of modalities whose nonlinear truth is
// computed: the number of products whose two factors are missing, each of which
// needs an integral of its own, is at most this less 2.
const maxNonlinear = 4

const (
	// reach is how many standard deviations of a normal variable are integrated
	// over. The trapezoidal rule converges exponentially here: with fineStep the
	// error is below 1e-9, with coarseStep below 1e-6.
	reach      = 6.0
	fineStep   = .15
	coarseStep = .5
)

// Truth returns p* = P(Y = 1 | do(X_observed = x)) of every row: setting the
// observed columns breaks their arrows from U, and the missing ones are as likely
// as the observed causal columns say. With o and m the observed and the missing
// causal columns and Σ their covariance,
//
//	X_m | x_o ~ N(Σ_mo Σ_oo⁻¹ x_o, Σ_mm − Σ_mo Σ_oo⁻¹ Σ_om)
//	p* = E σ(μ + √(v + β² + β_W²) z),   z ~ N(0, 1)
//
// where μ and v are mean and variance of b + f(X_c) given x_o. A product of two
// missing columns is not normal: it is integrated over the first of them.
func (r *Rows) Truth() []float64 {
	cache := map[uint64]*conditional{}
	out := make([]float64, r.Len())
	for i, pattern := range r.Availability {
		c := cache[pattern]
		if c == nil {
			c = r.model.conditional(pattern)
			cache[pattern] = c
		}
		out[i] = c.probability(r.causal(i))
	}
	return out
}

// conditional is the law of the missing causal columns given the observed ones of
// a pattern. The missing columns are ordered: first the pivots, the first factors
// of products of which both are missing, then the rest.
type conditional struct {
	model             *Model
	observed, missing []int
	pivots            int
	place             map[int]int // of a column among the missing
	toMean            *mat.Dense  // Σ_mo Σ_oo⁻¹, [missing, observed]
	// Given the pivots, the rest has mean + toRest (pivots − their mean) and the
	// covariance rest. root is the Cholesky factor of the pivots' covariance.
	toRest, rest, root *mat.Dense
	variance           float64 // of the outcome apart from X_c
}

func (m *Model) conditional(pattern uint64) *conditional {
	c := &conditional{model: m, place: map[int]int{}, variance: m.Beta*m.Beta + m.BetaW*m.BetaW}
	available := func(j int) bool { return pattern>>(j/m.Causal)&1 == 1 }
	for _, p := range m.products() {
		if !available(p[0]) && !available(p[1]) {
			c.missing = append(c.missing, p[0])
		}
	}
	c.pivots = len(c.missing)
	for j := range m.weight {
		switch {
		case available(j):
			c.observed = append(c.observed, j)
		case !slices.Contains(c.missing[:c.pivots], j):
			c.missing = append(c.missing, j)
		}
	}
	for i, j := range c.missing {
		c.place[j] = i
	}
	if len(c.missing) == 0 {
		return c
	}
	var given *mat.Dense // covariance of the missing columns given the observed ones
	c.toMean, given = regress(m.block(c.missing, c.missing), m.block(c.missing, c.observed), m.block(c.observed, c.observed))
	n, p := len(c.missing), c.pivots
	c.rest = given
	if p > 0 {
		head := mat.DenseCopyOf(given.Slice(0, p, 0, p))
		c.toRest, c.rest = regress(mat.DenseCopyOf(given.Slice(p, n, p, n)), mat.DenseCopyOf(given.Slice(p, n, 0, p)), head)
		c.root = cholesky(head)
	}
	return c
}

// block is the covariance of some columns with others.
func (m *Model) block(rows, columns []int) *mat.Dense {
	if len(rows) == 0 || len(columns) == 0 {
		return nil
	}
	out := mat.NewDense(len(rows), len(columns), nil)
	for i, a := range rows {
		for j, b := range columns {
			out.Set(i, j, m.covariance(a, b))
		}
	}
	return out
}

// regress returns the coefficients K = Σ_ab Σ_bb⁻¹ of a on b and the covariance
// Σ_aa − K Σ_ba of what is left of a.
func regress(aa, ab, bb *mat.Dense) (coefficients, left *mat.Dense) {
	var transposed mat.Dense
	if err := transposed.Solve(bb, ab.T()); err != nil {
		panic(fmt.Sprintf("scm: the covariance of observed columns is singular: %v", err)) // every column has noise of its own
	}
	coefficients = mat.DenseCopyOf(transposed.T())
	left = new(mat.Dense)
	left.Mul(coefficients, ab.T())
	left.Sub(aa, left)
	return coefficients, left
}

func cholesky(a *mat.Dense) *mat.Dense {
	n, _ := a.Dims()
	symmetric := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			symmetric.SetSym(i, j, (a.At(i, j)+a.At(j, i))/2)
		}
	}
	var factor mat.Cholesky
	if !factor.Factorize(symmetric) {
		panic("scm: the covariance of missing columns is singular") // every column has noise of its own
	}
	var lower mat.TriDense
	factor.LTo(&lower)
	return mat.DenseCopyOf(&lower)
}

// probability is p* of a row with the given causal columns, of which it reads the
// observed ones.
func (c *conditional) probability(causal []float64) float64 {
	m, base := c.model, c.model.b
	for _, j := range c.observed {
		base += m.weight[j] * causal[j]
	}
	mean, slope := make([]float64, len(c.missing)), make([]float64, len(c.missing))
	for i, j := range c.missing {
		slope[i] = m.weight[j]
		for k, o := range c.observed {
			mean[i] += c.toMean.At(i, k) * causal[o]
		}
	}
	var partner []int // of every pivot, its place among the missing
	for _, p := range m.products() {
		first, firstMissing := c.place[p[0]]
		second, secondMissing := c.place[p[1]]
		switch {
		case firstMissing && secondMissing:
			partner = append(partner, second)
		case firstMissing:
			slope[first] += interaction * causal[p[1]]
		case secondMissing:
			slope[second] += interaction * causal[p[0]]
		default:
			base += interaction * causal[p[0]] * causal[p[1]]
		}
	}
	return c.integrate(base, mean, slope, partner, make([]float64, 0, c.pivots))
}

// integrate sums over the pivots, z being those chosen so far as standard normal
// values, and then over everything that is normal given them.
func (c *conditional) integrate(base float64, mean, slope []float64, partner []int, z []float64) float64 {
	if len(z) < c.pivots {
		return expect(coarseStep, func(next float64) float64 {
			return c.integrate(base, mean, slope, partner, append(z, next))
		})
	}
	p := c.pivots
	slopes := slices.Clone(slope)
	deviation := make([]float64, p)
	for i := range p {
		for k := range i + 1 {
			deviation[i] += c.root.At(i, k) * z[k]
		}
		value := mean[i] + deviation[i]
		base += slope[i] * value
		slopes[partner[i]] += interaction * value
	}
	variance := c.variance
	for i := p; i < len(mean); i++ {
		center := mean[i]
		for k := range p {
			center += c.toRest.At(i-p, k) * deviation[k]
		}
		base += slopes[i] * center
		for k := p; k < len(mean); k++ {
			variance += slopes[i] * slopes[k] * c.rest.At(i-p, k-p)
		}
	}
	sd := math.Sqrt(variance)
	return expect(fineStep, func(z float64) float64 { return sigmoid(base + sd*z) })
}

// expect is E f(z), z ~ N(0, 1), by the trapezoidal rule.
func expect(step float64, f func(z float64) float64) float64 {
	sum, total := 0.0, 0.0
	n := int(math.Round(reach / step))
	for i := -n; i <= n; i++ {
		z := float64(i) * step
		density := math.Exp(-z * z / 2)
		sum += density * f(z)
		total += density
	}
	return sum / total
}
