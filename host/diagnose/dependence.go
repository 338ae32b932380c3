package diagnose

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/mathext"
)

// The dependence measures take two representations of the same n rows, x of
// [n, wx] and y of [n, wy]. They need O(n²) time and memory: give them a sample of
// some hundred rows. Fewer than 4 rows, or a representation in which all rows
// coincide, give NaN.

const minDependence = 4

// HSIC is the Hilbert-Schmidt independence criterion tr(KHLH)/n² (Gretton et al.,
// ALT 2005, the biased estimator with 1/n²), Gaussian kernels
// exp(−‖a−b‖²/s) with s the median squared distance between different rows.
func HSIC(x []float64, wx int, y []float64, wy int) float64 {
	k, l := gaussian(x, wx), gaussian(y, wy)
	if k == nil || l == nil {
		return math.NaN()
	}
	n := rowsOf(x, wx)
	return inner(k, l) / float64(n*n)
}

// KernelCKA is HSIC(x,y)/√(HSIC(x,x) HSIC(y,y)) (Kornblith et al., ICML 2019) with
// the kernels of HSIC: 0 to 1.
func KernelCKA(x []float64, wx int, y []float64, wy int) float64 {
	return aligned(gaussian(x, wx), gaussian(y, wy))
}

// LinearCKA is ‖YᵀX‖²/(‖XᵀX‖ ‖YᵀY‖) of centred columns, Frobenius norms
// (Kornblith et al., ICML 2019, eq. 3 with linear kernels).
func LinearCKA(x []float64, wx int, y []float64, wy int) float64 {
	return aligned(linear(x, wx), linear(y, wy))
}

// DistanceCorrelation is the sample distance correlation (Székely, Rizzo and
// Bakirov, Ann Stat 2007, definition 4, not squared): 0 to 1, in the limit 0 only
// for independence, but biased upwards in small samples.
func DistanceCorrelation(x []float64, wx int, y []float64, wy int) float64 {
	return math.Sqrt(aligned(distances(x, wx), distances(y, wy)))
}

// MutualInformation is the first estimator of Kraskov, Stögbauer and Grassberger
// (Phys Rev E 2004, eq. 8), in nats, with the k-th neighbour in the maximum of
// the Euclidean distances of x and y. It is not cut off at 0. Rows that coincide
// in both x and y break its assumption and give NaN when k of them do.
func MutualInformation(x []float64, wx int, y []float64, wy, k int) float64 {
	n := rowsOf(x, wx)
	check("rows", rowsOf(y, wy), n)
	if n < minDependence || k < 1 || k >= n {
		return math.NaN()
	}
	dx, dy := euclidean(x, wx), euclidean(y, wy)
	joint, sum := make([]float64, n), 0.0
	for i := range n {
		for j := range n {
			joint[j] = math.Max(dx[i*n+j], dy[i*n+j])
		}
		joint[i] = math.Inf(1)
		slices.Sort(joint)
		radius := joint[k-1]
		if radius == 0 {
			return math.NaN()
		}
		var nx, ny int
		for j := range n {
			if j == i {
				continue
			}
			if dx[i*n+j] < radius {
				nx++
			}
			if dy[i*n+j] < radius {
				ny++
			}
		}
		sum += mathext.Digamma(float64(nx+1)) + mathext.Digamma(float64(ny+1))
	}
	return mathext.Digamma(float64(k)) + mathext.Digamma(float64(n)) - sum/float64(n)
}

// ContrastiveBound is vCLUB (Cheng et al., ICML 2020, eq. 13), an upper bound of the
// mutual information in nats as far as q fits,
//
//	mean_i log q(y_i | x_i) − mean_ij log q(y_j | x_i),
//
// with q(y|x) a normal law whose mean is linear in x (ridge 1e-3 a row, standardised
// x) and whose variances are those of the residuals. q is fitted on the even rows
// and the bound taken on the odd ones, so that it scatters about 0 for independent
// x and y. Constant columns of y are left out; NaN with fewer than 8 rows or none
// left.
func ContrastiveBound(x []float64, wx int, y []float64, wy int) float64 {
	n := rowsOf(x, wx)
	check("rows", rowsOf(y, wy), n)
	const least, ridge = 8, 1e-3
	if n < least {
		return math.NaN()
	}
	var fit, test []int
	for i := range n {
		if i%2 == 0 {
			fit = append(fit, i)
		} else {
			test = append(test, i)
		}
	}
	mean, scale := moments(x, wx, fit)
	a, b := standardised(x, wx, fit, mean, scale), standardised(x, wx, test, mean, scale)
	gram := mat.NewSymDense(wx, nil)
	gram.SymOuterK(1, mat.NewDense(len(fit), wx, a).T())
	for j := range wx {
		gram.SetSym(j, j, gram.At(j, j)+ridge*float64(len(fit)))
	}
	var factor mat.Cholesky
	if !factor.Factorize(gram) {
		return math.NaN()
	}
	value, used := 0.0, false
	for c := range wy {
		centre, target := 0.0, mat.NewVecDense(len(fit), nil)
		for _, i := range fit {
			centre += y[i*wy+c] / float64(len(fit))
		}
		for k, i := range fit {
			target.SetVec(k, y[i*wy+c]-centre)
		}
		var cross, beta mat.VecDense
		cross.MulVec(mat.NewDense(len(fit), wx, a).T(), target)
		if err := factor.SolveVecTo(&beta, &cross); err != nil {
			return math.NaN()
		}
		variance := 0.0
		for k := range fit {
			d := target.AtVec(k) - dot(a[k*wx:(k+1)*wx], beta.RawVector().Data)
			variance += d * d / float64(len(fit))
		}
		if !(variance > 0) {
			continue
		}
		// mean_j (μ − y_j)² = μ² − 2μ m₁ + m₂.
		used = true
		var first, second float64
		for _, i := range test {
			v := y[i*wy+c] - centre
			first, second = first+v/float64(len(test)), second+v*v/float64(len(test))
		}
		for k, i := range test {
			mu, v := dot(b[k*wx:(k+1)*wx], beta.RawVector().Data), y[i*wy+c]-centre
			value += (mu*mu - 2*mu*first + second - (mu-v)*(mu-v)) / (2 * variance * float64(len(test)))
		}
	}
	if !used {
		return math.NaN()
	}
	return value
}

// Independence judges whether two representations depend on each other, by
// kernel CKA and a permutation test of the HSIC: rows of y are shuffled. A
// dependence that is significant at 0.05 is a warning; one at 0.01 whose alignment
// exceeds 0.1 is a failure. Both are asked, for little data finds no weak
// dependence, much data finds any, and in a hundred rows the alignment of
// independent representations is itself near 0.1.
//
// There are no limits: HSIC, CKA, distance correlation and the two estimates of
// mutual information are not what they are on resampled patients, because a row that
// is drawn twice is at distance 0 of itself. Its kernel is 1 and its nearest
// neighbour its twin, so that every replicate lies above the estimate. The
// permutation test stands for them.
func Independence(name string, x []float64, wx int, y []float64, wy, permutations int, r *rand.Rand) Finding {
	n := rowsOf(x, wx)
	check("rows", rowsOf(y, wy), n)
	k, l := gaussian(x, wx), gaussian(y, wy)
	value := aligned(k, l)
	if math.IsNaN(value) {
		return unknown(name, n, "one of the representations does not vary over the %d rows", n)
	}
	f := found(name, value, n, float64(n))
	p := permutationP(k, l, permutations, r)
	f.P = number(p)
	switch {
	case p >= .05:
		return f.judge(OK, "no dependence is found in %d rows", n)
	case p >= .01 || value <= .1:
		return f.judge(Warn, "the two depend on each other, weakly or not quite certainly (alignment %.3f)", value)
	}
	return f.judge(Fail, "the two depend on each other (alignment %.3f)", value)
}

// permutationP is (1 + hits)/(1 + permutations) of tr(KHLH).
func permutationP(k, l []float64, permutations int, r *rand.Rand) float64 {
	n := int(math.Sqrt(float64(len(k))))
	observed, hits := inner(k, l), 0
	for range permutations {
		order := r.Perm(n)
		sum := 0.0
		for i, pi := range order {
			for j, pj := range order {
				sum += k[i*n+j] * l[pi*n+pj]
			}
		}
		if sum >= observed-1e-12*math.Abs(observed) {
			hits++
		}
	}
	return float64(1+hits) / float64(1+permutations)
}

// aligned is ⟨K,L⟩/√(⟨K,K⟩⟨L,L⟩) of centred matrices.
func aligned(k, l []float64) float64 {
	if k == nil || l == nil {
		return math.NaN()
	}
	scale := math.Sqrt(inner(k, k) * inner(l, l))
	if !(scale > 0) {
		return math.NaN()
	}
	return math.Max(0, inner(k, l)/scale)
}

func inner(k, l []float64) float64 {
	check("entries", len(l), len(k))
	return dot(k, l)
}

func rowsOf(x []float64, width int) int {
	if width < 1 || len(x)%width != 0 {
		panic(fmt.Sprintf("diagnose: %d values are no rows of %d", len(x), width))
	}
	return len(x) / width
}

func euclidean(x []float64, width int) []float64 {
	n := rowsOf(x, width)
	out := make([]float64, n*n)
	for i := range n {
		for j := range i {
			sum := 0.0
			for c := range width {
				d := x[i*width+c] - x[j*width+c]
				sum += d * d
			}
			out[i*n+j] = math.Sqrt(sum)
			out[j*n+i] = out[i*n+j]
		}
	}
	return out
}

// gaussian is the centred kernel matrix; nil without variation.
func gaussian(x []float64, width int) []float64 {
	n := rowsOf(x, width)
	if n < minDependence {
		return nil
	}
	d := euclidean(x, width)
	var square []float64
	for i := range n {
		for j := range i {
			square = append(square, d[i*n+j]*d[i*n+j])
		}
	}
	slices.Sort(square)
	scale := square[len(square)/2]
	if len(square)%2 == 0 {
		scale = (scale + square[len(square)/2-1]) / 2
	}
	if scale == 0 { // more than half of the rows coincide: take the mean distance
		for _, s := range square {
			scale += s / float64(len(square))
		}
	}
	if !(scale > 0) {
		return nil
	}
	for i, v := range d {
		d[i] = math.Exp(-v * v / scale)
	}
	return centred(d, n)
}

func linear(x []float64, width int) []float64 {
	n := rowsOf(x, width)
	if n < minDependence {
		return nil
	}
	k := make([]float64, n*n)
	for i := range n {
		for j := range n {
			k[i*n+j] = dot(x[i*width:(i+1)*width], x[j*width:(j+1)*width])
		}
	}
	return centred(k, n)
}

func distances(x []float64, width int) []float64 {
	n := rowsOf(x, width)
	if n < minDependence {
		return nil
	}
	return centred(euclidean(x, width), n)
}

// centred subtracts the means of rows and columns of a symmetric matrix.
func centred(k []float64, n int) []float64 {
	mean, grand := make([]float64, n), 0.0
	for i := range n {
		for _, v := range k[i*n : (i+1)*n] {
			mean[i] += v / float64(n)
		}
		grand += mean[i] / float64(n)
	}
	for i := range n {
		for j := range n {
			k[i*n+j] += grand - mean[i] - mean[j]
		}
	}
	return k
}
