package causal

import (
	"math"

	"github.com/deconfound/deconfound/sdk/nn"
)

// hsic is the normalised Hilbert-Schmidt independence criterion (Gretton et al.
// 2005; normalised as in CKA, Kornblith et al. 2019): HSIC(K,L) /
// sqrt(HSIC(K,K) HSIC(L,L)), between 0 and 1 and free of scale. Kernels are
// Gaussian, with 2 sigma^2 = the median squared distance of the batch, taken as
// a constant. With shares v the centring is (I - 1v')K(I - v1') and sums are
// weighted by v_i v_j; equal shares give the usual estimator.
type hsic struct{ tape *nn.Tape }

func newHSIC() *hsic { return &hsic{tape: nn.NewTape()} }

func (p *hsic) apply(c, b []float32, width int, share []float64, scale float64, dc, db []float32) float64 {
	rows := present(share)
	if len(rows) < 3 {
		return 0
	}
	p.tape.Reset()
	v := make([]float64, len(rows))
	for i, row := range rows {
		v[i] = share[row]
	}
	k, okK := newKernel(p.tape, gatherRows(c, rows, width, v), width, v)
	l, okL := newKernel(p.tape, gatherRows(b, rows, width, v), width, v)
	if !okK || !okL {
		return 0
	}
	a := k.inner(l, v)
	kk, ll := k.inner(k, v), l.inner(l, v)
	norm := math.Sqrt(kk * ll)
	if norm < 1e-18 {
		return 0
	}
	k.addGradient(p.tape, dc, rows, l, v, scale/norm, a/kk)
	l.addGradient(p.tape, db, rows, k, v, scale/norm, a/ll)
	return a / norm
}

// kernel is a Gaussian kernel matrix over n rows and its weighted centring.
type kernel struct {
	rows            *nn.Var // [n, width]
	median          float64
	value, centered []float64 // [n, n]
}

// newKernel returns false if all rows coincide.
func newKernel(t *nn.Tape, rows []float32, width int, v []float64) (*kernel, bool) {
	n := len(v)
	x := t.Const(n, width, rows)
	k := &kernel{rows: x, value: make([]float64, n*n), centered: make([]float64, n*n)}
	gram := t.MatMulT(x, x).Value
	distances := make([]float64, 0, n*(n-1)/2)
	for i := range n {
		for j := range i {
			d := math.Max(0, float64(gram[i*n+i])+float64(gram[j*n+j])-2*float64(gram[i*n+j]))
			k.value[i*n+j] = d
			distances = append(distances, d)
		}
	}
	if k.median = median(distances); k.median <= 0 {
		return nil, false
	}
	mean := make([]float64, n)
	for i := range n {
		k.value[i*n+i] = 1
		for j := range i {
			e := math.Exp(-k.value[i*n+j] / k.median)
			k.value[i*n+j], k.value[j*n+i] = e, e
		}
	}
	grand := 0.0
	for i := range n {
		mean[i] = dot(k.value[i*n:(i+1)*n], v)
		grand += v[i] * mean[i]
	}
	for i := range n {
		for j := range n {
			k.centered[i*n+j] = k.value[i*n+j] - mean[i] - mean[j] + grand
		}
	}
	return k, true
}

// inner is HSIC(k, l) = sum_ij v_i v_j K_ij L~_ij; centring one side is enough.
func (k *kernel) inner(l *kernel, v []float64) float64 {
	n, sum := len(v), 0.0
	for i := range n {
		row := 0.0
		for j := range n {
			row += v[j] * k.value[i*n+j] * l.centered[i*n+j]
		}
		sum += v[i] * row
	}
	return sum
}

// addGradient adds scale * d/dx of HSIC(k,l) - ratio/2 * HSIC(k,k), where x are
// the rows of k: -4 scale v_i/median sum_j m_ij (x_i - x_j).
func (k *kernel) addGradient(t *nn.Tape, dst []float32, rows []int32, l *kernel, v []float64, scale, ratio float64) {
	n, width := len(v), k.rows.Cols
	m := t.Scratch(n * n)
	total := make([]float64, n)
	for i := range n {
		for j := range n {
			value := v[j] * (l.centered[i*n+j] - ratio*k.centered[i*n+j]) * k.value[i*n+j]
			total[i] += value
			m[i*n+j] = float32(value)
		}
	}
	pull := t.MatMul(t.Const(n, n, m), k.rows).Value
	for i, row := range rows {
		g := -4 * scale * v[i] / k.median
		at := dst[int(row)*width : (int(row)+1)*width]
		for d := range at {
			at[d] += float32(g * (total[i]*float64(k.rows.Value[i*width+d]) - float64(pull[i*width+d])))
		}
	}
}

// gatherRows takes rows and subtracts their weighted mean, which no distance
// depends on, so that distances keep their digits.
func gatherRows(values []float32, rows []int32, width int, v []float64) []float32 {
	mean := make([]float64, width)
	for i, row := range rows {
		for j := range mean {
			mean[j] += v[i] * float64(values[int(row)*width+j])
		}
	}
	out := make([]float32, 0, len(rows)*width)
	for _, row := range rows {
		for j, m := range mean {
			out = append(out, float32(float64(values[int(row)*width+j])-m))
		}
	}
	return out
}

func dot(a, b []float64) float64 {
	sum := 0.0
	b = b[:len(a)]
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// median returns the upper median and reorders values (Hoare's selection).
func median(values []float64) float64 {
	target, low, high := len(values)/2, 0, len(values)-1
	for low < high {
		pivot := values[(low+high)/2]
		i, j := low, high
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for pivot < values[j] {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case target <= j:
			high = j
		case target >= i:
			low = i
		default:
			return values[target]
		}
	}
	return values[target]
}
