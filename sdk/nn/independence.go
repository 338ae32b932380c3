package nn

import (
	"math"
	"slices"
)

// CrossCovariance is the squared Frobenius norm of the correlations of the columns
// of a [B, C] with those of b [B, D], [1, 1]: 0 if they are uncorrelated, and 0
// for fewer than two rows (Cheung et al., arXiv 1412.6583, equation 5, with
// standardised columns). The gradient goes through mean and variance.
func (t *Tape) CrossCovariance(a, b *Var) *Var {
	checkLength("cross-covariance", "rows of b", b.Rows, a.Rows)
	x, y := t.Standardise(a, normEpsilon), t.Standardise(b, normEpsilon)
	c := t.MatMul(t.Transpose(x), y)
	return t.SumAll(t.Square(t.Scale(c, 1/float64(max(1, a.Rows)))))
}

// VCLUB is a variational upper bound of mutual information, for every row, [B, 1]:
// log q(b_i|i) - mean_j log q(b_j|i) where q(·|i) is normal with mean mu_i and log
// variance s_i, all [B, d] (Cheng et al., ICML 2020, equation 8). Its mean over
// the rows is the bound. The gradient goes to all three; q is fitted elsewhere, on
// Likelihood.
func (t *Tape) VCLUB(mu, s, b *Var) *Var {
	checkSame("vclub", mu, s)
	checkSame("vclub", mu, b)
	mean, variance := t.columnMoments(b)
	out := t.op(b.Rows, 1, record{a: mu, b: s, c: b, wide: mean, run: vclubGradient})
	for i := range out.Value {
		m, z, y := mu.row(i), s.row(i), b.row(i)
		var sum float64
		for j := range m {
			all, own := float64(m[j])-mean[j], float64(m[j])-float64(y[j])
			sum += math.Exp(-float64(z[j])) * (all*all + variance[j] - own*own)
		}
		out.Value[i] = float32(sum / 2)
	}
	return out
}

func vclubGradient(t *Tape, r *record) {
	mu, s, b, mean := r.a, r.b, r.c, r.wide
	_, variance := t.columnMoments(b)
	// The sums over i of the precisions, and of them times the means.
	precisions, pulls := t.scratch64(b.Cols), t.scratch64(b.Cols)
	for i, g := range r.out.Grad {
		m, z, y := mu.row(i), s.row(i), b.row(i)
		for j := range m {
			p := float64(g) * math.Exp(-float64(z[j]))
			precisions[j] += p
			pulls[j] += p * float64(m[j])
			all, own := float64(m[j])-mean[j], float64(m[j])-float64(y[j])
			if mu.Grad != nil {
				mu.gradRow(i)[j] += float32(p * (all - own))
			}
			if s.Grad != nil {
				s.gradRow(i)[j] -= float32(p / 2 * (all*all + variance[j] - own*own))
			}
			if b.Grad != nil {
				b.gradRow(i)[j] += float32(p * own)
			}
		}
	}
	if b.Grad == nil {
		return
	}
	n := float64(b.Rows)
	for i := range b.Rows {
		d := b.gradRow(i)
		for j, v := range b.row(i) {
			d[j] -= float32((pulls[j] - float64(v)*precisions[j]) / n)
		}
	}
}

// Likelihood is the log likelihood of every row of b under the normal distribution
// with mean mu and log variance s, all [B, d], without the constant, [B, 1].
func (t *Tape) Likelihood(mu, s, b *Var) *Var {
	checkSame("likelihood", mu, s)
	miss := t.Square(t.Sub(mu, b))
	return t.Scale(t.SumCols(t.Add(t.Mul(miss, t.Exp(t.Scale(s, -1))), s)), -0.5)
}

// HSIC is the normalised Hilbert-Schmidt independence criterion of the rows of a
// and b, [1, 1]: HSIC(a, b)/√(HSIC(a, a)·HSIC(b, b)), between 0 and 1 (Gretton et
// al., ALT 2005, equation 9; normalised as in Kornblith et al., ICML 2019). Kernels
// are Gaussian, exp(-|x-y|²/m) with the median m of the squared distances of the
// batch, which the gradient does not go through. It is 0 where a matrix has equal
// rows only.
func (t *Tape) HSIC(a, b *Var) *Var {
	checkLength("hsic", "rows of b", b.Rows, a.Rows)
	k, medianA := t.kernel(a)
	l, medianB := t.kernel(b)
	if medianA == 0 || medianB == 0 {
		return t.Const(1, 1, t.Scratch(1))
	}
	k, l = t.centre(k), t.centre(l)
	cross, own, other := t.SumAll(t.Mul(k, l)), t.SumAll(t.Square(k)), t.SumAll(t.Square(l))
	return t.Div(cross, t.Sqrt(t.Mul(own, other)))
}

// kernel is exp(-|x_i - x_j|²/m), [B, B], and m, the median of the squared
// distances of different rows, or 0.
func (t *Tape) kernel(x *Var) (*Var, float64) {
	n := x.Rows
	distances := t.wide.alloc(n * max(0, n-1) / 2)[:0]
	squares := t.arena.alloc(n * n)
	for i := range n {
		for j := range i {
			var sum float64
			y := x.row(j)
			for c, v := range x.row(i) {
				d := float64(v) - float64(y[c])
				sum += d * d
			}
			distances = append(distances, sum)
			squares[i*n+j], squares[j*n+i] = float32(sum), float32(sum)
		}
		squares[i*n+i] = 0
	}
	if len(distances) == 0 {
		return nil, 0
	}
	slices.Sort(distances)
	middle := len(distances) / 2
	median := distances[middle]
	if len(distances)%2 == 0 {
		median = (median + distances[middle-1]) / 2
	}
	if median == 0 {
		return nil, 0
	}
	out := t.op(n, n, record{a: x, scale: median, run: func(t *Tape, r *record) {
		x, out := r.a, r.out
		n := x.Rows
		// The gradient of x_i is Σ_j w_ij·(x_j - x_i).
		w := t.arena.alloc(n * n)
		for i := range n {
			var sum float64
			for j := range n {
				v := 2 / r.scale * float64(out.Value[i*n+j]) * (float64(out.Grad[i*n+j]) + float64(out.Grad[j*n+i]))
				w[i*n+j] = float32(v)
				sum += v
			}
			w[i*n+i] -= float32(sum)
		}
		gemm(&t.pack, false, false, n, x.Cols, n, w, n, x.Value, x.Cols, x.Grad, x.Cols, true)
	}})
	for i, v := range squares {
		out.Value[i] = float32(math.Exp(-float64(v) / median))
	}
	return out, median
}

// centre subtracts from a symmetric k the means of its rows and columns and adds
// their mean. It is its own gradient.
func (t *Tape) centre(k *Var) *Var {
	out := t.op(k.Rows, k.Cols, record{a: k, run: func(t *Tape, r *record) { t.addCentred(r.a.Grad, r.out.Grad, r.a.Rows) }})
	clear(out.Value)
	t.addCentred(out.Value, k.Value, k.Rows)
	return out
}

// addCentred adds x [n, n] to sum, less the means of its rows and columns, plus
// that of all.
func (t *Tape) addCentred(sum, x []float32, n int) {
	rows, cols := t.scratch64(n), t.scratch64(n)
	var all float64
	for i := range n {
		for j, v := range x[i*n : (i+1)*n] {
			rows[i] += float64(v) / float64(n)
			cols[j] += float64(v) / float64(n)
		}
		all += rows[i] / float64(n)
	}
	for i := range n {
		for j, v := range x[i*n : (i+1)*n] {
			sum[i*n+j] += float32(float64(v) - rows[i] - cols[j] + all)
		}
	}
}
