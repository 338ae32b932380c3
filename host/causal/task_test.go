package causal

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestTask_probabilitiesAndLosses(t *testing.T) {
	nan := float32(math.NaN())
	p := make([]float64, 3)

	binary := tasks["binary"]
	binary.probabilities(p[:1], []float32{float32(math.Log(3))})
	near(t, "sigmoid", p[0], 0.75, 1e-7)
	ce := binary.crossEntropy([]float32{float32(math.Log(3)), float32(math.Log(3))}, []float32{1, 0})
	near(t, "binary y=1", ce[0], -math.Log(0.75), 1e-7)
	near(t, "binary y=0", ce[1], -math.Log(0.25), 1e-7)

	multiclass := tasks["multiclass"]
	logits := []float32{float32(math.Log(1)), float32(math.Log(2)), float32(math.Log(5))}
	multiclass.probabilities(p, logits)
	near(t, "softmax", p[1], 0.25, 1e-7)
	near(t, "multiclass", multiclass.crossEntropy(logits, []float32{2})[0], -math.Log(5.0/8), 1e-7)

	multilabel := tasks["multilabel"]
	logits = []float32{float32(math.Log(3)), 0, 4, 1, 2, 3}
	ce = multilabel.crossEntropy(logits, []float32{1, 0, nan, nan, nan, nan})
	near(t, "multilabel", ce[0], (-math.Log(0.75)-math.Log(0.5))/2, 1e-7)
	if ce[1] != 0 || math.Signbit(ce[1]) {
		t.Errorf("a row without labels has loss %v", ce[1])
	}
	gradient := make([]float32, 6)
	multilabel.addCrossEntropyGradient(gradient, logits, []float32{1, 0, nan, nan, nan, nan}, []float64{1, 1})
	for i, want := range []float64{-0.125, 0.25, 0, 0, 0, 0} {
		near(t, "gradient", float64(gradient[i]), want, 1e-7)
	}

	// Extreme logits neither overflow nor lose their loss.
	near(t, "large", binary.crossEntropy([]float32{-500}, []float32{1})[0], 500, 1e-9)
	near(t, "large", multiclass.crossEntropy([]float32{-500, 500, 0}, []float32{0})[0], 1000, 1e-9)
	binary.probabilities(p[:1], []float32{-800})
	near(t, "sigmoid of -800", p[0], 0, 0)
}

// TestTask_gradients checks every loss against central differences, in float64
// through the value functions.
func TestTask_gradients(t *testing.T) {
	r := rng.Stream(1, "losses")
	const rows, q, epsilon = 4, 0.7, 1e-2
	for name, task := range tasks {
		c := task.Outputs()
		logits := normals(r, rows*c)
		strata := [][]float32{normals(r, rows*c), normals(r, rows*c), normals(r, rows*c)}
		prior := []float64{0.5, 0.2, 0.3}
		var labels []float32
		for range rows {
			labels = append(labels, randomLabels(task, r)...)
		}
		weights := []float64{0.4, 0, 0.5, 0.1}
		for _, loss := range []struct {
			name  string
			at    []float32
			value func() []float64
			add   func(dst []float32)
		}{
			{"cross entropy", logits, func() []float64 { return task.crossEntropy(logits, labels) },
				func(dst []float32) { task.addCrossEntropyGradient(dst, logits, labels, weights) }},
			{"generalised", logits, func() []float64 { return task.generalizedCrossEntropy(logits, labels, q) },
				func(dst []float32) { task.addGeneralizedGradient(dst, logits, labels, q, weights) }},
			{"mixture", strata[1], func() []float64 { return newMixtureLoss(task, prior, strata, labels).rowLoss() },
				func(dst []float32) { newMixtureLoss(task, prior, strata, labels).addGradient(dst, 1, weights) }},
		} {
			got := make([]float32, rows*c)
			loss.add(got)
			want := make([]float32, rows*c)
			for i := range want {
				at := loss.at[i]
				f := func(step float32) float64 {
					loss.at[i] = at + step
					defer func() { loss.at[i] = at }()
					return weighted(weights, loss.value())
				}
				// Fourth-order differences: float32 logits need a large step.
				want[i] = float32((8*(f(epsilon)-f(-epsilon)) - (f(2*epsilon) - f(-2*epsilon))) / (12 * epsilon))
			}
			compare(t, name+" "+loss.name, got, want, 2e-5)
		}
	}
}

func TestGeneralizedCrossEntropy_limits(t *testing.T) {
	task := tasks["binary"]
	logits, labels := []float32{0.3, -2, 4}, []float32{1, 1, 0}
	ce := task.crossEntropy(logits, labels)
	small := task.generalizedCrossEntropy(logits, labels, 1e-6)
	mae := task.generalizedCrossEntropy(logits, labels, 1)
	for i := range ce {
		near(t, "q to 0 is the cross entropy", small[i], ce[i], 1e-4)
		near(t, "q = 1 is the absolute error", mae[i], 1-math.Exp(-ce[i]), 1e-12)
	}
	// The weight of a row is p_y^q, not q p_y^q and not 1.
	g, plain := make([]float32, 3), make([]float32, 3)
	one := []float64{1, 1, 1}
	task.addGeneralizedGradient(g, logits, labels, 0.7, one)
	task.addCrossEntropyGradient(plain, logits, labels, one)
	for i := range g {
		near(t, "ratio of the gradients", float64(g[i]/plain[i]), math.Exp(-0.7*ce[i]), 1e-6)
	}
}

func TestMixtureLoss_oneStratumIsCrossEntropy(t *testing.T) {
	r := rng.Stream(2, "mixture")
	for name, task := range tasks {
		logits := normals(r, 3*task.Outputs())
		var labels []float32
		for range 3 {
			labels = append(labels, randomLabels(task, r)...)
		}
		m := newMixtureLoss(task, []float64{0, 1}, [][]float32{normals(r, len(logits)), logits}, labels)
		for i, v := range task.crossEntropy(logits, labels) {
			near(t, name, m.rowLoss()[i], v, 1e-12)
		}
		got, want := make([]float32, len(logits)), make([]float32, len(logits))
		weights := []float64{1, 2, 3}
		m.addGradient(got, 1, weights)
		m.addGradient(got, 0, weights) // has no prior, adds nothing
		task.addCrossEntropyGradient(want, logits, labels, weights)
		compare(t, name, got, want, 1e-6)
	}
}
