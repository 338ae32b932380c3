package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// confounded draws n rows with one covariate W ~ N(0,1) and one modality that is
// observed with probability sigmoid(slope W); bit 1 is always observed.
func confounded(n int, slope float64) sdk.StrategyOpenRequest {
	r := rng.Stream(5, "ipw", n)
	open := sdk.StrategyOpenRequest{
		Modalities:   2,
		Availability: make([]uint64, n),
		Covariates:   sdk.Tensor{Shape: []int{n, 1}, Data: make([]float32, n)},
		Seed:         1,
	}
	for i := range n {
		w := r.NormFloat64()
		open.Covariates.Data[i] = float32(w)
		open.Availability[i] = 0b10
		if r.Float64() < 1/(1+math.Exp(-slope*w)) {
			open.Availability[i] = 0b11
		}
	}
	return open
}

func weigh(t *testing.T, open sdk.StrategyOpenRequest, form string, clip float64) []float32 {
	t.Helper()
	open.Hyperparameters = sdk.Values{"form": form, "folds": int64(5), "l2": 1.0, "clip": clip}
	made, err := newRule(strategy.Config{Open: open})
	if err != nil {
		t.Fatal(err)
	}
	return made.(*rule).weights
}

// The stabilised weight of an observed row is P(d=1)/sigmoid(slope W).
func TestWeights_RecoverTheTruePropensity(t *testing.T) {
	const slope = 1.0
	open := confounded(20000, slope)
	for _, form := range []string{"product", "pattern"} {
		weights := weigh(t, open, form, 0)
		var share float64
		for _, a := range open.Availability {
			share += float64(a&1) / float64(len(open.Availability))
		}
		var worst float64
		for i, w := range weights {
			p, marginal := 1/(1+math.Exp(-slope*float64(open.Covariates.Data[i]))), share
			if open.Availability[i]&1 == 0 {
				p, marginal = 1-p, 1-share
			}
			if p > 0.1 {
				worst = max(worst, math.Abs(float64(w)/(marginal/p)-1))
			}
		}
		if worst > 0.1 {
			t.Errorf("%s: a weight is %.0f %% away from the true one", form, 100*worst)
		}
	}
}

// Weighting by the inverse propensity makes W look the same where the modality
// is observed and where it is not.
func TestWeights_BalanceTheCovariate(t *testing.T) {
	open := confounded(20000, 1)
	difference := func(weights []float32) float64 {
		var sum, total [2]float64
		for i, a := range open.Availability {
			w := 1.0
			if weights != nil {
				w = float64(weights[i])
			}
			sum[a&1] += w * float64(open.Covariates.Data[i])
			total[a&1] += w
		}
		return sum[1]/total[1] - sum[0]/total[0]
	}
	if before := difference(nil); before < 0.7 {
		t.Fatalf("the rows are hardly confounded: difference %.2f", before)
	}
	if after := difference(weigh(t, open, "product", 0)); math.Abs(after) > 0.06 {
		t.Errorf("difference of W after weighting: got %.3f, want about 0", after)
	}
}

func TestWeights_AreOneWhenNothingIsConfounded(t *testing.T) {
	for i, w := range weigh(t, confounded(20000, 0), "product", 0) {
		if math.Abs(float64(w)-1) > 0.1 {
			t.Fatalf("weight of row %d: got %v, want about 1", i, w)
		}
	}
}

func TestWeights_WithoutCovariatesAreOne(t *testing.T) {
	open := confounded(100, 1)
	open.Covariates = sdk.Tensor{}
	for i, w := range weigh(t, open, "product", 0.01) {
		if w != 1 {
			t.Fatalf("weight of row %d: got %v, want 1", i, w)
		}
	}
}

func TestWeights_ClippedAndMeanOne(t *testing.T) {
	weights := weigh(t, confounded(5000, 2), "product", 0.05)
	var sum float64
	low, high, atHigh := math.Inf(1), 0.0, 0
	for _, w := range weights {
		sum += float64(w)
		low, high = min(low, float64(w)), max(high, float64(w))
	}
	for _, w := range weights {
		if float64(w) == high {
			atHigh++
		}
	}
	if mean := sum / float64(len(weights)); math.Abs(mean-1) > 1e-4 {
		t.Errorf("mean weight: got %v, want 1", mean)
	}
	if share := float64(atHigh) / float64(len(weights)); share < 0.04 {
		t.Errorf("%.3f of the rows are at the upper clip, want about 0.05", share)
	}
}

// A propensity comes from rows other than its own. With about as many covariates
// of pure noise as rows, a model that has seen a row is sure of its class, and one
// that has not is wrong about half of them.
func TestLogRatios_AreCrossFitted(t *testing.T) {
	const n, width = 60, 40
	r := rng.Stream(6, "noise")
	d := design{rows: n, width: width, x: make([]float32, n*width)}
	for i := range d.x {
		d.x[i] = float32(r.NormFloat64())
	}
	class, fold := make([]int, n), make([]int, n)
	for i := range n {
		class[i], fold[i] = i%2, i/2%5
	}
	log, err := d.logRatios(class, fold, 5, 1e-3)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, ratio := range log {
		if math.Exp(-ratio)/2 < 0.5 { // the propensity of the row's own class
			wrong++
		}
	}
	if wrong < n/4 || wrong > 3*n/4 {
		t.Errorf("the models are wrong about %d of %d rows, want about half", wrong, n)
	}
}
