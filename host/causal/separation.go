package causal

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Separation parts one modality's columns z by the availability of the other
// modalities. Where a latent confounder U drives availability, what in z predicts
// which other modalities are there carries U (a negative control: z is looked at
// only where its modality is observed, so its own mask cannot leak). That part is
//
//	b = Read z - Read E[z | W]        the biased part, a proxy of U
//	z - Write' (Read z - Offset)      the causal part: least-squares concept
//	                                  erasure (LEACE, Belrose et al., NeurIPS 2023)
//
// with W what is observed of everybody. What W says about availability is no
// latent confounding, and is left in z.
type Separation struct {
	Mechanism string
	// Rows is the number of training rows it was found on.
	Rows int
	// Directions is how many are kept, Width the number of columns.
	Directions, Width int
	// Read and Write are [Directions, Width], Offset is [Directions].
	Read, Write, Offset []float64
	// Singular are the singular values of the whitened columns against the
	// availability of the other modalities, in descending order: correlations. A
	// direction is kept if it exceeds Threshold.
	Singular  []float64
	Threshold float64
	// OneFactor is the p value of the hypothesis that one direction is all there is,
	// and Within that of the hypothesis that within classes there is none; NaN where
	// that is not tested; see Examine.
	OneFactor, Within float64
	// Erased is the share of the variance of the columns that is erased.
	Erased float64
	// Reason says why nothing is erased; empty if something is.
	Reason string

	baseline []float64 // Read E[z | W] as [Directions, 1+covariates]
}

// Sample are the training rows that have a modality.
type Sample struct {
	// Values are the standardised columns, [rows, Width]; of a sequence the means
	// over its time steps.
	Values []float32
	Width  int
	// Availability has one mask a row; Modality is the bit that all rows have.
	Availability         []uint64
	Modality, Modalities int
	// Environment is the environment of every row, 0 to Environments-1, which then
	// takes the place of the availability of the other modalities; Environments is 0
	// otherwise.
	Environment  []int32
	Environments int
	// Labels are Task.LabelWidth() values a row, which may be left out unless the
	// mechanism is label.
	Task   Task
	Labels []float32
	// Covariates are CovariateWidth values a row that are observed of everybody,
	// beside the covariates of the dataset the columns of modalities that no row
	// lacks.
	Covariates     []float32
	CovariateWidth int
}

const (
	// minimumRows is how many rows must have, and lack, another modality for it to
	// count.
	minimumRows = 20
	// singularTolerance tells columns that depend on others, or on what is given:
	// relative to the largest variance without.
	singularTolerance = 1e-6
)

// Separate finds the split of a modality under the declared mechanism, one of the
// values of DualBranch.Mechanism:
//
//   - confounder: columns and availabilities are centred
//   - label: they are centred within each class, since where the label drives
//     availability everything that predicts the label would predict it too
//   - self: nothing is erased. Where availability depends on the values
//     themselves, what predicts it is signal, and the two cases cannot be told
//     apart from the data.
//
// Both forms also regress on the covariates. With A the centred columns and D the
// centred availabilities of the other modalities, scaled to variance 1, let
// Sigma = A'A/n and U s V' = Sigma^(-1/2) A'D/n. Directions with s above the
// noise are kept:
//
//	Read = U' Sigma^(-1/2)    Write = U' Sigma^(1/2)
//
// The noise of r independent columns against q availabilities is below
// (sqrt(r) + sqrt(q) + 1)/sqrt(n) in 99 of 100 cases (Davidson and Szarek 2001);
// the threshold is that and at least 1.6 sqrt(r/n), with n less the rank of what
// is regressed on.
func Separate(mechanism string, s Sample) *Separation {
	n, d := len(s.Availability), s.Width
	out := &Separation{Mechanism: mechanism, Rows: n, Width: d, OneFactor: math.NaN(), Within: math.NaN()}
	if mechanism == MechanismSelf {
		out.Reason = "availability is declared to depend on the values themselves: what predicts it is signal, and nothing is erased"
		return out
	}
	others := s.others()
	if len(others) == 0 {
		out.Reason = fmt.Sprintf("no %s is both there and missing in at least %d of the %d training rows that have this one", s.name(), minimumRows, n)
		return out
	}
	q := len(others)
	m := s.moments(others)
	a := s.associate(m, len(others), mechanism == MechanismLabel)
	if a == nil {
		out.Reason = "the singular values of columns against availability did not converge"
		return out
	}
	out.Singular = a.singular
	r := math.Sqrt(float64(a.rank))
	out.Threshold = max(1.6*r, r+math.Sqrt(float64(q))+1) / math.Sqrt(float64(a.left))
	out.OneFactor = a.beyond(1)
	if mechanism == MechanismLabel {
		out.Within = a.beyond(0)
	}
	for out.Directions < min(len(out.Singular), a.rank) && out.Singular[out.Directions] > out.Threshold {
		out.Directions++
	}
	if out.Directions == 0 {
		out.Reason = "no direction of the columns predicts " + s.predicted() + " beyond noise"
		return out
	}
	if mechanism != MechanismLabel && len(s.Labels) > 0 {
		if within := s.associate(m, len(others), true); within != nil {
			out.Within = within.beyond(0)
		}
	}
	u := a.directions.Slice(0, d, 0, out.Directions)
	var read, write mat.Dense
	read.Mul(u.T(), a.inverse)
	write.Mul(u.T(), a.root)
	for k := range out.Directions { // the sign: the largest entry is positive
		sign, largest := 1.0, 0.0
		for _, v := range read.RawRowView(k) {
			if a := math.Abs(v); a > largest*(1+1e-9) {
				largest, sign = a, math.Copysign(1, v)
			}
		}
		for j := range d {
			out.Read = append(out.Read, sign*read.At(k, j))
			out.Write = append(out.Write, sign*write.At(k, j))
		}
	}
	out.locate(m)
	return out
}

// association is that of whitened columns with the availability of others.
type association struct {
	root, inverse *mat.Dense // of the covariance of the columns
	directions    *mat.Dense // left singular vectors
	singular      []float64  // in descending order: correlations
	canonical     []float64  // the same with the others whitened: canonical correlations
	rank, others  int        // of the columns, and of the others
	left          int        // rows less the rank of what is given
}

// associate regresses columns and the availability of q others on what is given,
// the classes too if asked for; nil if the decomposition does not converge.
func (s Sample) associate(m *moments, q int, classes bool) *association {
	n, d := len(s.Availability), s.Width
	_, covariance, used := m.residual(classes)
	scale := 0.0
	for _, v := range m.variances()[:d] {
		scale = max(scale, v)
	}
	sigma := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			sigma.SetSym(i, j, covariance.At(i, j))
		}
	}
	a := &association{left: max(n-used, 1)}
	a.root, a.inverse, a.rank = roots(sigma, scale)
	cross := mat.NewDense(d, q, nil)
	for j := range q {
		variance := covariance.At(d+j, d+j)
		if variance < 1e-9 {
			continue // explained by what is given
		}
		for i := range d {
			cross.Set(i, j, covariance.At(i, d+j)/math.Sqrt(variance))
		}
	}
	var whitened, directions mat.Dense
	whitened.Mul(a.inverse, cross)
	var svd mat.SVD
	if !svd.Factorize(&whitened, mat.SVDThin) {
		return nil
	}
	svd.UTo(&directions)
	a.directions, a.singular = &directions, svd.Values(nil)

	// The availabilities of the others go together as well, through the confounder.
	scores := mat.NewSymDense(q, nil)
	for i := range q {
		for j := i; j < q; j++ {
			if scale := math.Sqrt(covariance.At(d+i, d+i) * covariance.At(d+j, d+j)); scale > 1e-9 {
				scores.SetSym(i, j, covariance.At(d+i, d+j)/scale)
			}
		}
	}
	_, unmixed, free := roots(scores, 1)
	whitened.Mul(&whitened, unmixed)
	if !svd.Factorize(&whitened, mat.SVDNone) {
		return nil
	}
	a.canonical, a.others = svd.Values(nil), free
	return a
}

// beyond is the p value of the hypothesis that at most k directions are associated
// with availability: -(n - (p + q + 1)/2) times the sum of log(1 - r^2) over the
// other canonical correlations r is then chi-squared with (p - k)(q - k) degrees of
// freedom (Bartlett 1938; Lawley 1959). NaN if no more than k are possible.
func (a *association) beyond(k int) float64 {
	free := float64((a.rank - k) * (a.others - k))
	if a.rank <= k || a.others <= k {
		return math.NaN()
	}
	sum := 0.0
	for _, r := range a.canonical[k:min(a.rank, a.others)] {
		sum -= math.Log1p(-min(r*r, 1-1e-12))
	}
	rows := max(float64(a.left)-float64(a.rank+a.others+1)/2, 1)
	return distuv.ChiSquared{K: free}.Survival(rows * sum)
}

// locate sets Offset, the baseline and the share of variance erased.
func (p *Separation) locate(m *moments) {
	mean, c, _ := m.on(1)
	given, _, _ := m.residual(false)
	p.Offset = p.project(mean, 1)
	p.baseline = p.project(given, m.covariates)
	total, left := 0.0, 0.0
	for i := range p.Width {
		// Row i of I - Write' Read.
		row := make([]float64, p.Width)
		row[i] = 1
		for k := range p.Directions {
			for j := range row {
				row[j] -= p.Write[k*p.Width+i] * p.Read[k*p.Width+j]
			}
		}
		var product mat.VecDense
		x := mat.NewVecDense(p.Width, row)
		product.MulVec(c.SliceSym(0, p.Width), x)
		left += mat.Dot(x, &product)
		total += c.At(i, i)
	}
	p.Erased = 1 - left/total
}

// project returns Read times coefficients [given, Width+q], as [Directions, given].
func (p *Separation) project(coefficients *mat.Dense, given int) []float64 {
	out := make([]float64, p.Directions*given)
	for k := range p.Directions {
		for g := range given {
			for j, r := range p.Read[k*p.Width : (k+1)*p.Width] {
				out[k*given+g] += r * coefficients.At(g, j)
			}
		}
	}
	return out
}

// Biased writes b of a row into dst [Directions], given its standardised columns
// and covariates.
func (p *Separation) Biased(dst []float32, values, covariates []float32) {
	given := 1 + len(covariates)
	for k := range p.Directions {
		b := -p.baseline[k*given]
		for g, w := range covariates {
			b -= p.baseline[k*given+1+g] * float64(w)
		}
		for j, v := range values {
			b += p.Read[k*p.Width+j] * float64(v)
		}
		dst[k] = float32(b)
	}
}

// other is an indicator that the columns may predict: the availability of another
// modality, or an environment.
type other int

// others lists those that enough rows have and enough lack. Of the environments the
// most frequent one is left out, for it follows from the rest.
func (s Sample) others() []other {
	count := make([]int, max(s.Modalities, s.Environments))
	for i := range s.Availability {
		for o := range count {
			count[o] += int(s.indicator(i, other(o)))
		}
	}
	skip := s.Modality
	if s.Environments > 0 {
		count = count[:s.Environments]
		skip = 0
		for o, n := range count {
			if n > count[skip] {
				skip = o
			}
		}
	} else {
		count = count[:s.Modalities]
	}
	var out []other
	for o, n := range count {
		if o != skip && n >= minimumRows && len(s.Availability)-n >= minimumRows {
			out = append(out, other(o))
		}
	}
	return out
}

// name is what an other is called, predicted what the columns predict of them.
func (s Sample) name() string {
	if s.Environments > 0 {
		return "environment"
	}
	return "other modality"
}

func (s Sample) predicted() string {
	if s.Environments > 0 {
		return "the environment"
	}
	return "the availability of the other modalities"
}

// indicator is 1 or 0 for row i.
func (s Sample) indicator(i int, o other) float32 {
	if s.Environments > 0 {
		if s.Environment[i] == int32(o) {
			return 1
		}
		return 0
	}
	return float32(s.Availability[i] >> o & 1)
}

// given returns what columns and availabilities are regressed on: a constant, the
// covariates and, if asked for, the classes.
func (s Sample) given(classes bool) func(i int) []float64 {
	w := s.Task.LabelWidth()
	return func(i int) []float64 {
		row := make([]float64, 0, 1+s.CovariateWidth+2*w)
		row = append(row, 1)
		for _, v := range s.Covariates[i*s.CovariateWidth : (i+1)*s.CovariateWidth] {
			row = append(row, float64(v))
		}
		if !classes {
			return row
		}
		for _, y := range s.Labels[i*w : (i+1)*w] {
			switch {
			case s.Task.Kind == Multiclass:
				class := make([]float64, s.Task.Classes)
				class[int(y)] = 1
				row = append(row, class...)
			case y != y:
				row = append(row, 0, 1) // an unknown label
			default:
				row = append(row, float64(y), 0)
			}
		}
		return row
	}
}

// moments are the mean products of [given; columns; others], where given are a
// constant, the covariates and, last, the classes. They are found in one pass over
// the rows, which takes longest by far where columns are many.
type moments struct {
	covariates, classes int // how many are given, the constant among the covariates
	products            *mat.SymDense
}

// momentRows is how many rows are multiplied at a time.
const momentRows = 256

func (s Sample) moments(others []other) *moments {
	n, d := len(s.Availability), s.Width
	m := &moments{covariates: 1 + s.CovariateWidth}
	given := s.given(len(s.Labels) > 0)
	m.classes = len(given(0)) - m.covariates
	p := m.covariates + m.classes
	width := p + d + len(others)
	m.products = mat.NewSymDense(width, nil)
	chunk := mat.NewDense(momentRows, width, nil)
	for from := 0; from < n; from += momentRows {
		to := min(from+momentRows, n)
		for i := from; i < to; i++ {
			row := chunk.RawRowView(i - from)
			copy(row, given(i))
			for j, v := range s.Values[i*d : (i+1)*d] {
				row[p+j] = float64(v)
			}
			for j, o := range others {
				row[p+d+j] = float64(s.indicator(i, o))
			}
		}
		m.products.SymRankK(m.products, 1/float64(n), chunk.Slice(0, to-from, 0, width).T())
	}
	return m
}

// residual regresses columns and others on what is given, the classes too if asked
// for; see on.
func (m *moments) residual(classes bool) (coefficients *mat.Dense, covariance *mat.SymDense, rank int) {
	if classes {
		return m.on(m.covariates + m.classes)
	}
	return m.on(m.covariates)
}

// on returns the least-squares coefficients [p, columns and others] on the first p
// that are given, the smallest ones where these are collinear, the covariance of
// what is left, and the rank of what is given.
func (m *moments) on(p int) (coefficients *mat.Dense, covariance *mat.SymDense, rank int) {
	all, from := m.products.SymmetricDim(), m.covariates+m.classes
	given := mat.NewSymDense(p, nil)
	given.CopySym(m.products.SliceSym(0, p))
	largest := 0.0
	for a := range p {
		largest = max(largest, given.At(a, a))
	}
	_, inverse, rank := roots(given, largest)
	cross := mat.NewDense(p, all-from, nil)
	for a := range p {
		for j := range all - from {
			cross.Set(a, j, m.products.At(a, from+j))
		}
	}
	var half mat.Dense
	half.Mul(inverse, cross)
	coefficients = new(mat.Dense)
	coefficients.Mul(inverse, &half)
	covariance = mat.NewSymDense(all-from, nil)
	covariance.SymRankK(m.products.SliceSym(from, all), -1, half.T())
	return coefficients, covariance, rank
}

// variances are those of columns and others.
func (m *moments) variances() []float64 {
	from := m.covariates + m.classes
	out := make([]float64, m.products.SymmetricDim()-from)
	for j := range out {
		mean := m.products.At(0, from+j)
		out[j] = m.products.At(from+j, from+j) - mean*mean
	}
	return out
}

// roots returns the square root of a positive semidefinite matrix, the
// pseudo-inverse of that root, and the rank. Eigenvalues that are small against
// scale count as zero.
func roots(m *mat.SymDense, scale float64) (root, inverse *mat.Dense, rank int) {
	n := m.SymmetricDim()
	root, inverse = mat.NewDense(n, n, nil), mat.NewDense(n, n, nil)
	var eigen mat.EigenSym
	if !eigen.Factorize(m, true) {
		return root, inverse, 0
	}
	values := eigen.Values(nil)
	var vectors, scaled mat.Dense
	eigen.VectorsTo(&vectors)
	spectral := func(f func(float64) float64, to *mat.Dense) {
		scaled.Apply(func(_, k int, x float64) float64 {
			if v := values[k]; v > singularTolerance*scale {
				return x * f(v)
			}
			return 0
		}, &vectors)
		to.Mul(&scaled, vectors.T())
	}
	spectral(math.Sqrt, root)
	spectral(func(v float64) float64 { return 1 / math.Sqrt(v) }, inverse)
	for _, v := range values {
		if v > singularTolerance*scale {
			rank++
		}
	}
	return root, inverse, rank
}
