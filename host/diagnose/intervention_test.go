package diagnose

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

func TestCompareFactual_Reference(t *testing.T) {
	for _, c := range fixture[[]struct {
		P, Q     values
		Outputs  int
		Mean, KL float64
	}](t, "factual") {
		got := CompareFactual(c.P, c.Q, c.Outputs)
		near(t, "mean", got.Mean, c.Mean)
		near(t, "kl", got.KL, c.KL)
		f := InterventionalGap("gap", c.P, c.Q, c.Outputs, .5, Bootstrap{clusters(got.N), 300, rng.Stream(1, "gap")})
		near(t, "estimate", float64(f.Estimate), c.Mean)
		if f.Verdict != OK || !(f.Low < f.Estimate && f.Estimate < f.High) {
			t.Errorf("got %+v", f)
		}
	}
}

func clusters(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}

func TestInterventionalGap_InertAdjustment(t *testing.T) {
	p := []float64{.1, .2, .3, .4}
	b := func() Bootstrap { return Bootstrap{clusters(4), 50, rng.Stream(1, "gap")} }
	if f := InterventionalGap("gap", p, p, 1, .4, b()); f.Verdict != Warn {
		t.Errorf("with an associated mask: got %+v", f)
	}
	if f := InterventionalGap("gap", p, p, 1, 0, b()); f.Verdict != OK {
		t.Errorf("with a mask that says nothing: got %+v", f)
	}
}

func TestReliance_ByHand(t *testing.T) {
	base, causal, biased := []float64{.5, .5, .5, .5}, []float64{.8, .2, .5, .5}, []float64{.5, .5, .6, .4}
	r := BranchReliance(base, causal, biased, 1)
	near(t, "causal", r.Causal, .15)
	near(t, "spurious", r.Spurious, .05)
	near(t, "share", r.Share, .75)
	b := Bootstrap{clusters(4), 50, rng.Stream(1, "reliance")}
	if f := JudgeReliance("reliance", base, causal, biased, 1, b); f.Verdict != Warn {
		t.Errorf("got %+v", f)
	}
	if f := JudgeReliance("reliance", base, base, base, 1, b); f.Verdict != None {
		t.Errorf("nothing moves: got %+v", f)
	}
}

func TestMaskFlipAndSpoofing_ByHand(t *testing.T) {
	full, dropped, reference := []float64{.5, .5}, []float64{.7, .3}, []float64{.55, .45}
	m := FlipMask(full, dropped, full, reference, 1)
	near(t, "model", m.Model, .2)
	near(t, "excess", m.Excess, .15)
	near(t, "ratio", m.Ratio, 4)
	if f := JudgeMaskFlip("flip", full, dropped, full, reference, 1, Bootstrap{clusters(len(full)), 50, rng.Stream(1, "flip")}); f.Verdict != Fail {
		t.Errorf("got %+v", f)
	}
	if f := JudgeMaskFlip("flip", full, dropped, full, full, 1, Bootstrap{}); f.Verdict != None {
		t.Errorf("a reference that does not react: got %+v", f)
	}
	b := Bootstrap{clusters(2), 50, rng.Stream(1, "spoof")}
	if f := Spoofing("spoof", full, dropped, 1, b); f.Verdict != Fail {
		t.Errorf("got %+v", f)
	}
	if f := Spoofing("spoof", full, full, 1, b); f.Verdict != OK {
		t.Errorf("got %+v", f)
	}
	near(t, "drift", Drift([]float64{3, 4, 0, 0}, []float64{3, 1, 9, 9}, 2), .6)
}
