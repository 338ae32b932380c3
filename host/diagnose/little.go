package diagnose

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// LittleTest is Little's test that values are missing completely at random
// (JASA 1988): d² = Σ_j n_j (ȳ_j − μ̂_j)ᵀ Σ̂_j⁻¹ (ȳ_j − μ̂_j) over the patterns j of
// observed columns, with the maximum-likelihood estimates of a normal law by EM.
type LittleTest struct {
	Statistic float64
	DF        int
	P         float64 // upper tail of χ²
	Patterns  int
	N         int // rows with an observed value
	Mean      []float64
	// Covariance is [width, width].
	Covariance []float64
}

// ErrNoMissing says that there is nothing to test.
var ErrNoMissing = errors.New("nothing is missing, or only in rows that have nothing")

// little holds what EM needs of a pattern: no pass over the rows after this.
type little struct {
	observed, missing []int
	n                 float64
	mean              []float64 // of the observed columns
	cross             *mat.SymDense
}

// Little tests x, [n, width], where NaN is missing. The statistic does not change
// when a column is rescaled. A rejection says "not completely at random"; that it
// is not rejected says little, and it cannot tell whether what is missing depends
// on observed columns only. Errors: ErrNoMissing, ErrDependent, ErrNeverTogether,
// and one when EM does not settle.
func Little(x []float64, width int) (LittleTest, error) {
	z, mean, scale, err := availableScale(x, width)
	if err != nil {
		return LittleTest{}, err
	}
	patterns, rows := littlePatterns(z, width)
	if len(patterns) < 2 {
		return LittleTest{}, ErrNoMissing
	}
	if !together(patterns, width) {
		return LittleTest{}, ErrNeverTogether
	}
	mu, sigma, err := normalEM(patterns, width, rows)
	if err != nil {
		return LittleTest{}, err
	}
	t := LittleTest{Patterns: len(patterns), N: rows, DF: -width}
	for j := range width {
		t.Mean = append(t.Mean, mean[j]+scale[j]*mu[j])
		for k := range width {
			t.Covariance = append(t.Covariance, scale[j]*scale[k]*sigma.At(j, k))
		}
	}
	for _, p := range patterns {
		t.DF += len(p.observed)
		d := mat.NewVecDense(len(p.observed), nil)
		for a, j := range p.observed {
			d.SetVec(a, p.mean[a]-mu[j])
		}
		var solved mat.VecDense
		factor, ok := choleskyOf(sigma, p.observed)
		if !ok || factor.SolveVecTo(&solved, d) != nil {
			return LittleTest{}, ErrDependent
		}
		t.Statistic += p.n * mat.Dot(d, &solved)
	}
	t.P = chiSquareTail(t.Statistic, float64(t.DF))
	return t, nil
}

// availableScale standardises every column by what is observed of it.
func availableScale(x []float64, width int) (z, mean, scale []float64, err error) {
	n := make([]float64, width)
	mean, scale = make([]float64, width), make([]float64, width)
	for i, v := range x {
		if !math.IsNaN(v) {
			n[i%width]++
			mean[i%width] += v
		}
	}
	for j := range mean {
		mean[j] /= n[j]
	}
	for i, v := range x {
		if !math.IsNaN(v) {
			scale[i%width] += (v - mean[i%width]) * (v - mean[i%width]) / n[i%width]
		}
	}
	for j, v := range scale {
		if scale[j] = math.Sqrt(v); !(scale[j] > 0) {
			return nil, nil, nil, ErrDependent
		}
	}
	z = make([]float64, len(x))
	for i, v := range x {
		z[i] = (v - mean[i%width]) / scale[i%width]
	}
	return z, mean, scale, nil
}

func littlePatterns(x []float64, width int) (patterns []*little, rows int) {
	index := map[string]*little{}
	key := make([]byte, width)
	members := map[*little][]int{}
	for i := range len(x) / width {
		row, some := x[i*width:(i+1)*width], false
		for j, v := range row {
			key[j] = 0
			if !math.IsNaN(v) {
				key[j], some = 1, true
			}
		}
		if !some {
			continue
		}
		p := index[string(key)]
		if p == nil {
			p = &little{}
			for j, k := range key {
				if k == 1 {
					p.observed = append(p.observed, j)
				} else {
					p.missing = append(p.missing, j)
				}
			}
			index[string(key)] = p
			patterns = append(patterns, p)
		}
		members[p] = append(members[p], i)
		rows++
	}
	for _, p := range patterns {
		k := len(p.observed)
		p.n, p.mean, p.cross = float64(len(members[p])), make([]float64, k), mat.NewSymDense(k, nil)
		for _, i := range members[p] {
			for a, j := range p.observed {
				p.mean[a] += x[i*width+j] / p.n
			}
		}
		d := mat.NewVecDense(k, nil)
		for _, i := range members[p] {
			for a, j := range p.observed {
				d.SetVec(a, x[i*width+j]-p.mean[a])
			}
			p.cross.SymRankOne(p.cross, 1, d)
		}
	}
	return patterns, rows
}

// normalEM is the EM algorithm of a multivariate normal law with missing values
// (Little and Rubin 2002, section 11.2), of standardised columns,
// accelerated by extrapolation (SQUAREM, scheme S3; Varadhan and Roland,
// Scand J Stat 2008) and run until a step of EM moves no parameter by
// 1e-10.
func normalEM(patterns []*little, width, rows int) ([]float64, *mat.SymDense, error) {
	const (
		cycles    = 500
		tolerance = 1e-10
	)
	identity := mat.NewSymDense(width, nil)
	for j := range width {
		identity.SetSym(j, j, 1)
	}
	state := pack(make([]float64, width), identity)
	for range cycles {
		one, err := emStep(patterns, state, width, rows)
		if err != nil {
			return nil, nil, err
		}
		if furthest(state, one) < tolerance {
			mu, sigma := unpack(one, width)
			return mu, sigma, nil
		}
		two, err := emStep(patterns, one, width, rows)
		if err != nil {
			return nil, nil, err
		}
		var first, bend float64
		for i := range state {
			r := one[i] - state[i]
			v := two[i] - one[i] - r
			first += r * r
			bend += v * v
		}
		step := math.Min(-1, -math.Sqrt(first/bend))
		ahead := make([]float64, len(state))
		for i := range state {
			r := one[i] - state[i]
			v := two[i] - one[i] - r
			ahead[i] = state[i] - 2*step*r + step*step*v
		}
		// An extrapolation that leaves the covariances is taken back.
		if state, err = emStep(patterns, ahead, width, rows); err != nil || !valid(state, width) {
			state = two
		}
	}
	return nil, nil, errors.New("the estimates of mean and covariance do not settle: too few rows have the columns together")
}

// ErrNeverTogether says that no row has some pair of columns.
var ErrNeverTogether = errors.New("two of the columns are never observed together")

func together(patterns []*little, width int) bool {
	seen := make([]bool, width*width)
	for _, p := range patterns {
		for _, j := range p.observed {
			for _, k := range p.observed {
				seen[j*width+k] = true
			}
		}
	}
	return !slices.Contains(seen, false)
}

// pack lays out the mean and the upper triangle of the covariance.
func pack(mu []float64, sigma *mat.SymDense) []float64 {
	out := slices.Clone(mu)
	for j := range mu {
		for k := j; k < len(mu); k++ {
			out = append(out, sigma.At(j, k))
		}
	}
	return out
}

func unpack(state []float64, width int) ([]float64, *mat.SymDense) {
	sigma, at := mat.NewSymDense(width, nil), width
	for j := range width {
		for k := j; k < width; k++ {
			sigma.SetSym(j, k, state[at])
			at++
		}
	}
	return state[:width], sigma
}

func furthest(a, b []float64) float64 {
	d := 0.0
	for i := range a {
		d = math.Max(d, math.Abs(a[i]-b[i]))
	}
	return d
}

func valid(state []float64, width int) bool {
	_, sigma := unpack(state, width)
	_, ok := choleskyOf(sigma, sequence(width))
	return ok
}

func emStep(patterns []*little, state []float64, width, rows int) ([]float64, error) {
	mu, sigma := unpack(state, width)
	first, second := make([]float64, width), mat.NewSymDense(width, nil)
	for _, p := range patterns {
		if err := p.expect(mu, sigma, first, second); err != nil {
			return nil, err
		}
	}
	for j := range first {
		first[j] /= float64(rows)
	}
	for j := range width {
		for k := j; k < width; k++ { // second is about the old mean
			second.SetSym(j, k, second.At(j, k)/float64(rows)-(first[j]-mu[j])*(first[k]-mu[k]))
		}
	}
	return pack(first, second), nil
}

// expect adds the pattern's expected sums: of the values to first, of the
// products about mu to second.
func (p *little) expect(mu []float64, sigma *mat.SymDense, first []float64, second *mat.SymDense) error {
	k, l := len(p.observed), len(p.missing)
	d := mat.NewVecDense(k, nil)
	for a, j := range p.observed {
		d.SetVec(a, p.mean[a]-mu[j])
	}
	about := mat.NewSymDense(k, nil) // Σ (y−μ)(y−μ)ᵀ of the observed columns
	about.SymRankOne(p.cross, p.n, d)
	for a, j := range p.observed {
		first[j] += p.n * p.mean[a]
		for b := a; b < k; b++ {
			second.SetSym(j, p.observed[b], second.At(j, p.observed[b])+about.At(a, b))
		}
	}
	if l == 0 {
		return nil
	}
	factor, ok := choleskyOf(sigma, p.observed)
	if !ok {
		return ErrDependent
	}
	between := mat.NewDense(k, l, nil) // Σ_om
	for a, j := range p.observed {
		for b, m := range p.missing {
			between.Set(a, b, sigma.At(j, m))
		}
	}
	var slope, shift, left, both mat.Dense
	if factor.SolveTo(&slope, between) != nil { // Σ_oo⁻¹ Σ_om, [k, l]
		return ErrDependent
	}
	shift.Mul(slope.T(), d)
	left.Mul(about, &slope)     // [k, l]
	both.Mul(slope.T(), &left)  // [l, l]
	explained := new(mat.Dense) // Σ_mo Σ_oo⁻¹ Σ_om
	explained.Mul(between.T(), &slope)
	for b, m := range p.missing {
		first[m] += p.n * (mu[m] + shift.At(b, 0))
		for a, j := range p.observed {
			second.SetSym(j, m, second.At(j, m)+left.At(a, b))
		}
		for c := b; c < l; c++ {
			o := p.missing[c]
			second.SetSym(m, o, second.At(m, o)+both.At(b, c)+p.n*(sigma.At(m, o)-explained.At(b, c)))
		}
	}
	return nil
}

func choleskyOf(sigma *mat.SymDense, columns []int) (*mat.Cholesky, bool) {
	part := mat.NewSymDense(len(columns), nil)
	for a, j := range columns {
		for b := a; b < len(columns); b++ {
			part.SetSym(a, b, sigma.At(j, columns[b]))
		}
	}
	var factor mat.Cholesky
	ok := factor.Factorize(part)
	const singular = 1e9 // of correlations
	return &factor, ok && factor.Cond() < singular
}

// JudgeLittle turns the test into a finding: a rejection at 0.05 is a warning,
// because adjustment is then needed, not because it would be impossible.
func JudgeLittle(name string, x []float64, width int) Finding {
	t, err := Little(x, width)
	if err != nil {
		return unknown(name, len(x)/max(width, 1), "%s", err)
	}
	f := found(name, t.Statistic, t.N, float64(t.N))
	f.P = number(t.P)
	if t.P < .05 {
		return f.judge(Warn, "missing completely at random is rejected (χ² %.0f, %d degrees of freedom)", t.Statistic, t.DF)
	}
	return f.judge(OK, "missing completely at random is not rejected (χ² %.0f, %d degrees of freedom); that does not prove it", t.Statistic, t.DF)
}

// FirstComponents reduces the columns of a block, [n, width], to at most k
// principal components of the standardised columns, as Little's test needs few
// and independent columns. Only the given rows are used, a missing cell among
// them counts as the column's mean; the result is [len(rows), components].
func FirstComponents(x []float64, width int, rows []int, k int) (values []float64, components int) {
	filled := make([]float64, 0, len(rows)*width)
	for _, i := range rows {
		filled = append(filled, x[i*width:(i+1)*width]...)
	}
	for j := range width {
		sum, n := 0.0, 0.0
		for i := range rows {
			if v := filled[i*width+j]; !math.IsNaN(v) {
				sum, n = sum+v, n+1
			}
		}
		for i := range rows {
			if math.IsNaN(filled[i*width+j]) {
				filled[i*width+j] = sum / math.Max(n, 1)
			}
		}
	}
	all := sequence(len(rows))
	mean, scale := moments(filled, width, all)
	z := standardised(filled, width, all, mean, scale)
	correlation := mat.NewSymDense(width, nil)
	for i := range rows {
		correlation.SymRankOne(correlation, 1/float64(len(rows)), mat.NewVecDense(width, z[i*width:(i+1)*width]))
	}
	var eigen mat.EigenSym
	if len(rows) == 0 || !eigen.Factorize(correlation, true) {
		return nil, 0
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	strength := eigen.Values(nil) // ascending
	var chosen []int
	for _, j := range slices.Backward(sequence(width)) {
		if len(chosen) < k && strength[j] > 1e-8 {
			chosen = append(chosen, j)
		}
	}
	for i := range rows {
		for _, j := range chosen {
			v := 0.0
			for c := range width {
				v += z[i*width+c] * vectors.At(c, j)
			}
			values = append(values, v)
		}
	}
	return values, len(chosen)
}
