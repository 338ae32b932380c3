package causal

import (
	"math"
	"testing"
)

func termOf(t *testing.T, terms []Term, name string) float64 {
	t.Helper()
	for _, term := range terms {
		if term.Name == name {
			return term.Value
		}
	}
	t.Fatalf("no term %s in %v", name, terms)
	return 0
}

// With attention that ignores x, the published code's context is the prior mean
// divided by K; renormalised it is the prior mean itself.
func TestAttention_magnitudeTrap(t *testing.T) {
	var norms, divergences [2]float64
	for i, renormalize := range []bool{true, false} {
		cfg := testConfig(t, "nwgm", tasks["binary"])
		cfg.Missingness.Renormalize, cfg.Missingness.Warmup = renormalize, 0
		tr, rep := testData(cfg.Task, 3)
		h := newHead(t, cfg, tr)
		if err := h.Refresh(0, rep); err != nil {
			t.Fatal(err)
		}
		n := h.network.(*attention)
		clear(n.query.Value)
		p, err := h.Predict(rep, tr.Availability)
		if err != nil {
			t.Fatal(err)
		}
		norms[i], divergences[i] = termOf(t, p.Terms, "context_norm"), termOf(t, p.Terms, "attention_divergence")
		if i == 1 {
			near(t, "shrinkage", norms[0]/norms[1], float64(h.strata.size), 1e-3)
			mean := 0.0
			for j := range testWidth {
				g := 0.0
				for k, p := range h.strata.prior {
					g += p * float64(h.strata.z[k*testWidth+j])
				}
				mean += g * g
			}
			near(t, "norm of the prior mean", norms[0], math.Sqrt(mean), 1e-5)
		}
	}
	for _, d := range divergences {
		near(t, "divergence of attention that ignores x", d, 0, 1e-5)
	}
}

// The own-stratum form trains with the own entry and predicts with the prior
// mean; a linear network makes both exact.
func TestAttention_ownStratum(t *testing.T) {
	cfg := testConfig(t, "nwgm_own", tasks["binary"])
	cfg.Width, cfg.Hidden = 1, 0
	cfg.Missingness.Projection, cfg.Missingness.Warmup, cfg.Missingness.MinRows = 1, 0, 1
	tr := Training{Availability: []uint64{1, 1, 1, 2}, Labels: []float32{0, 1, 0, 1}}
	h := newHead(t, cfg, tr)
	h.set(t, "h", 2)
	h.set(t, "g", 3)
	h.set(t, "classifier.1.weight", 1)
	h.set(t, "classifier.1.bias", 0.5)
	if err := h.Refresh(0, []float32{1, 2, 3, -4}); err != nil { // Z = 2, -4; P = 3/4, 1/4
		t.Fatal(err)
	}
	out, err := h.Forward([]float32{1, 1}, Batch{Positions: []int32{0, 3}, Availability: []uint64{1, 2}, Labels: []float32{1, 1}}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "logit", float64(out.Logits[0]), 2+3*2+0.5, 1e-5)
	near(t, "logit", float64(out.Logits[1]), 2-3*4+0.5, 1e-5)
	p, err := h.Predict([]float32{1, 1}, []uint64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	for i, z := range []float64{2, -4} {
		near(t, "do", float64(p.Do[i]), sigmoid(2+3*(0.75*2-0.25*4)+0.5), 1e-6)
		near(t, "observed", float64(p.Observed[i]), sigmoid(2+3*z+0.5), 1e-6)
	}
	near(t, "norm", termOf(t, p.Terms, "context_norm"), 0.5, 1e-6)
	if p, err = h.Predict([]float32{1}, []uint64{1}); err != nil {
		t.Fatal(err)
	}
	near(t, "spoofing", termOf(t, p.Terms, "spoofing"), 0.25*(sigmoid(2+3*2+0.5)-sigmoid(2-3*4+0.5)), 1e-6)
}
