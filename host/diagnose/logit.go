package diagnose

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// The ways in which a logistic regression has no solution.
var (
	ErrOneClass  = errors.New("all labels are the same")
	ErrDependent = errors.New("the columns are linearly dependent")
	ErrSeparated = errors.New("the columns separate the classes, so that no finite fit exists")
)

// LogitOptions of FitLogit. The zero value is plain maximum likelihood.
type LogitOptions struct {
	Weights []float64 // nil = 1
	Offset  []float64 // added to the linear predictor; nil = 0
	// L2 is λ in Σ w CE + λ/2 ‖β‖², the intercept left free: 1/C of scikit-learn.
	L2 float64
	// Clusters ask for the sandwich covariance of rows that belong together,
	// without small-sample factor (Liang and Zeger 1986); nil = inverse
	// information.
	Clusters []int64
}

// Logit is a fitted logistic regression. Index 0 is the intercept.
type Logit struct {
	Coefficients  []float64
	Covariance    *mat.SymDense
	LogLikelihood float64 // without the penalty
}

// FitLogit fits logit P(y=1) = β₀ + xβ + offset by Newton's method with step
// halving. x is [n, width], y is 0 or 1. Errors are ErrOneClass, ErrDependent and,
// without a penalty, ErrSeparated.
func FitLogit(x []float64, width int, y []float64, o LogitOptions) (Logit, error) {
	n, p := len(y), width+1
	check("values", len(x), n*width)
	w := orOnes(o.Weights, n)
	offset := o.Offset
	if offset == nil {
		offset = make([]float64, n)
	}
	check("offsets", len(offset), n)
	var weight, events float64
	for i := range y {
		weight += w[i]
		events += w[i] * y[i]
	}
	if !(events > 0 && events < weight) {
		return Logit{}, ErrOneClass
	}
	const (
		steps     = 100
		tolerance = 1e-7 // of the last step: what is left to go is of the order of its square
		steep     = 30   // logits beyond which a probability is 0 or 1 for any purpose
	)
	beta := make([]float64, p)
	// Of the coefficients that value was last asked about: the logit of a row, and
	// exp(-|logit|), which likelihood and probability share.
	z, decay := make([]float64, n), make([]float64, n)
	value := func(beta []float64) (penalised, plain float64) {
		for i := range y {
			if w[i] == 0 {
				continue
			}
			z[i] = logitOf(beta, x[i*width:(i+1)*width], offset[i])
			decay[i] = math.Exp(-math.Abs(z[i]))
			plain += w[i] * (y[i]*z[i] - math.Max(z[i], 0) - math.Log1p(decay[i]))
		}
		square := 0.0
		for _, b := range beta[1:] {
			square += b * b
		}
		return plain - o.L2/2*square, plain
	}
	gradient, information := make([]float64, p), mat.NewSymDense(p, nil)
	// derive is about the coefficients that value was last asked about.
	derive := func(beta []float64) {
		clear(gradient)
		information.Zero()
		raw := information.RawSymmetric()
		intercept := raw.Data[1:p]
		for i := range y {
			if w[i] == 0 {
				continue
			}
			q := 1 / (1 + decay[i])
			if z[i] < 0 {
				q = sigmoid(z[i])
			}
			row := x[i*width : (i+1)*width]
			r, v := w[i]*(y[i]-q), w[i]*q*(1-q)
			gradient[0] += r
			raw.Data[0] += v
			for j, a := range row {
				if a == 0 {
					continue // it adds nothing, and columns are often indicators
				}
				intercept[j] += v * a
				gradient[j+1] += r * a
				va, to := v*a, raw.Data[(j+1)*raw.Stride+j+1:][:width-j]
				for k, b := range row[j:] {
					to[k] += va * b
				}
			}
		}
		for j := 1; j < p; j++ {
			gradient[j] -= o.L2 * beta[j]
			raw.Data[j*raw.Stride+j] += o.L2
		}
	}
	current, plain := value(beta)
	var factor mat.Cholesky
	for range steps {
		derive(beta)
		if !factor.Factorize(information) || factor.Cond() > 1e14 {
			if separates(z, y, w, steep) {
				return Logit{}, ErrSeparated
			}
			return Logit{}, ErrDependent
		}
		var step mat.VecDense
		if err := factor.SolveVecTo(&step, mat.NewVecDense(p, gradient)); err != nil {
			return Logit{}, ErrDependent
		}
		next, size := make([]float64, p), 0.0
		scale := 1.0
		for range 40 {
			size = 0
			for j := range next {
				next[j] = beta[j] + scale*step.AtVec(j)
				size = math.Max(size, math.Abs(scale*step.AtVec(j)))
			}
			moved, movedPlain := value(next)
			if moved >= current-1e-12*math.Abs(current) {
				current, plain = moved, movedPlain
				break
			}
			scale /= 2
		}
		beta = next
		if scale == 1 && size < tolerance {
			derive(beta)
			if !factor.Factorize(information) {
				return Logit{}, ErrDependent
			}
			covariance := mat.NewSymDense(p, nil)
			if err := factor.InverseTo(covariance); err != nil {
				return Logit{}, ErrDependent
			}
			if o.Clusters != nil {
				check("clusters", len(o.Clusters), n)
				covariance = sandwich(covariance, beta, offset, x, width, y, w, o.Clusters)
			}
			return Logit{beta, covariance, plain}, nil
		}
		if o.L2 == 0 && separates(z, y, w, steep) {
			return Logit{}, ErrSeparated
		}
	}
	return Logit{}, ErrSeparated
}

// linear is the logit of a row.
func logitOf(beta, row []float64, offset float64) float64 {
	z := beta[0] + offset
	for j, v := range row {
		z += beta[j+1] * v
	}
	return z
}

// separates reports whether a row of either class has a logit so far on its own
// side that only an endless climb can explain it.
func separates(z, y, w []float64, steep float64) bool {
	for i := range y {
		if w[i] > 0 && (2*y[i]-1)*z[i] > steep {
			return true
		}
	}
	return false
}

func sandwich(bread *mat.SymDense, beta, offset, x []float64, width int, y, w []float64, clusters []int64) *mat.SymDense {
	p := width + 1
	index := map[int64]int{}
	var scores [][]float64 // in the order of first appearance: sums keep their bits
	for i := range y {
		k, known := index[clusters[i]]
		if !known {
			k = len(scores)
			index[clusters[i]] = k
			scores = append(scores, make([]float64, p))
		}
		r := w[i] * (y[i] - sigmoid(logitOf(beta, x[i*width:(i+1)*width], offset[i])))
		scores[k][0] += r
		for j, v := range x[i*width : (i+1)*width] {
			scores[k][j+1] += r * v
		}
	}
	meat := mat.NewSymDense(p, nil)
	for _, s := range scores {
		meat.SymRankOne(meat, 1, mat.NewVecDense(p, s))
	}
	var half, full mat.Dense
	half.Mul(bread, meat)
	full.Mul(&half, bread)
	out := mat.NewSymDense(p, nil)
	for j := range p {
		for k := j; k < p; k++ {
			out.SetSym(j, k, (full.At(j, k)+full.At(k, j))/2)
		}
	}
	return out
}

// Predict returns P(y=1) for the rows of x, [n, width].
func (l Logit) Predict(x []float64, width int) []float64 {
	check("columns", width+1, len(l.Coefficients))
	out := make([]float64, len(x)/max(width, 1))
	for i := range out {
		z := l.Coefficients[0]
		for j, v := range x[i*width : (i+1)*width] {
			z += l.Coefficients[j+1] * v
		}
		out[i] = sigmoid(z)
	}
	return out
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// logLikelihood of a label given a logit, without overflow.
func logLikelihood(z, y float64) float64 {
	return y*z - math.Max(z, 0) - math.Log1p(math.Exp(-math.Abs(z)))
}

func orOnes(weights []float64, n int) []float64 {
	if weights != nil {
		check("weights", len(weights), n)
		return weights
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}
