package diagnose

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sdk/rng"
)

// What is computed once, or left out because it adds nothing, must not change a bit.

// plainLogit is Newton's method as it is written down, every logit anew.
func plainLogit(x []float64, width int, y, w, offset []float64, l2 float64) ([]float64, float64) {
	p := width + 1
	at := func(beta []float64, i int) float64 {
		z := beta[0] + offset[i]
		for j, v := range x[i*width : (i+1)*width] {
			z += beta[j+1] * v
		}
		return z
	}
	value := func(beta []float64) (penalised, plain float64) {
		for i := range y {
			if w[i] != 0 {
				plain += w[i] * logLikelihood(at(beta, i), y[i])
			}
		}
		square := 0.0
		for _, b := range beta[1:] {
			square += b * b
		}
		return plain - l2/2*square, plain
	}
	beta := make([]float64, p)
	current, plain := value(beta)
	for range 100 {
		gradient, information := make([]float64, p), mat.NewSymDense(p, nil)
		row := make([]float64, p)
		row[0] = 1
		for i := range y {
			if w[i] == 0 {
				continue
			}
			q := sigmoid(at(beta, i))
			copy(row[1:], x[i*width:(i+1)*width])
			r, v := w[i]*(y[i]-q), w[i]*q*(1-q)
			for j, a := range row {
				gradient[j] += r * a
				for k := j; k < p; k++ {
					information.SetSym(j, k, information.At(j, k)+v*a*row[k])
				}
			}
		}
		for j := 1; j < p; j++ {
			gradient[j] -= l2 * beta[j]
			information.SetSym(j, j, information.At(j, j)+l2)
		}
		var factor mat.Cholesky
		factor.Factorize(information)
		var step mat.VecDense
		if err := factor.SolveVecTo(&step, mat.NewVecDense(p, gradient)); err != nil {
			return nil, 0
		}
		next, size, scale := make([]float64, p), 0.0, 1.0
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
		if scale == 1 && size < 1e-7 {
			return beta, plain
		}
	}
	return nil, 0
}

func TestFitLogit_SameBits(t *testing.T) {
	r := rng.Stream(5, "logit")
	for trial := range 40 {
		n, width := 60+r.IntN(300), 1+r.IntN(6)
		x, y, w, offset := make([]float64, n*width), make([]float64, n), make([]float64, n), make([]float64, n)
		for i := range n {
			z := -.5
			for j := range width {
				v := r.NormFloat64()
				if j%2 == 1 {
					v = indicatorOf(v > 0) // a column of zeros and ones
				}
				x[i*width+j] = v
				z += v * float64(j%3-1)
			}
			y[i], w[i] = indicatorOf(r.Float64() < sigmoid(z)), 1
			if trial%3 == 1 {
				w[i], offset[i] = float64(r.IntN(3)), r.NormFloat64()
			}
		}
		l2 := float64(trial % 2)
		fit, err := FitLogit(x, width, y, LogitOptions{Weights: w, Offset: offset, L2: l2})
		if err != nil {
			t.Fatal(err)
		}
		beta, likelihood := plainLogit(x, width, y, w, offset, l2)
		if !slices.Equal(fit.Coefficients, beta) || fit.LogLikelihood != likelihood {
			t.Errorf("trial %d: got %v (%v), plainly %v (%v)", trial, fit.Coefficients, fit.LogLikelihood, beta, likelihood)
		}
	}
}

func indicatorOf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Sorted once, the refuters of a score find what they find when every replicate is
// sorted anew.
func TestRefuters_ScoreSameBits(t *testing.T) {
	draw := rng.Stream(6, "refuted")
	s := Study{Width: 2}
	for i := range 400 {
		z := math.Round(4*draw.NormFloat64()) / 4 // with ties
		pattern := draw.IntN(3)
		s.Exposure = append(s.Exposure, sigmoid(z+float64(pattern)))
		s.Outcome = append(s.Outcome, indicatorOf(draw.Float64() < sigmoid(z)))
		s.Covariates = append(s.Covariates, indicatorOf(pattern == 1), indicatorOf(pattern == 2))
		s.Patients = append(s.Patients, int64(1000-i/2))
	}
	refuters := func() Refuters {
		return Refuters{Repeats: 40, Subset: .8, Rand: rand.New(rand.NewPCG(7, 8))}
	}
	got := refuters().Score(s)
	r := refuters()
	original := Ranking(s)
	want := []Finding{r.PlaceboOutcome(s, Ranking, original), r.MaskOutcome(s), r.DataSubset(s, Ranking, original), r.Bootstrap(s, Ranking, original)}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name || g.Interval != w.Interval || !(g.P == w.P || math.IsNaN(float64(g.P)) && math.IsNaN(float64(w.P))) || g.N != w.N {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d findings", len(got))
	}
}

func TestWeightedAUROC_SameBits(t *testing.T) {
	r := rng.Stream(7, "weighted")
	scores, labels := make([]float64, 200), make([]float64, 200)
	for i := range scores {
		scores[i], labels[i] = float64(r.IntN(40)), indicatorOf(r.Float64() < .3)
	}
	auroc := WeightedAUROC(scores, labels)
	for range 50 {
		w, count := make([]float64, 200), make([]int32, 200)
		for range w {
			i := r.IntN(200)
			w[i]++
			count[i]++
		}
		want := stats.AUROC(scores, labels, w)
		if got := auroc(w); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		if got := stats.NewOrder(scores).CountedAUROC(labels, count); got != want {
			t.Errorf("counted: got %v, want %v", got, want)
		}
	}
}
