package causal

import (
	"math"
	"slices"
	"testing"
)

// set writes a parameter of the only group.
func (h *Head) set(t *testing.T, name string, values ...float32) {
	t.Helper()
	for _, g := range h.groups {
		for _, p := range g.params.All() {
			if p.Name == name {
				if len(values) != len(p.Value) {
					t.Fatalf("%s has %d values, got %d", name, len(p.Value), len(values))
				}
				copy(p.Value, values)
				return
			}
		}
	}
	t.Fatalf("no parameter %s", name)
}

// Three strata with shares 1/2, 1/4, 1/4 and a linear head with known logits.
func TestEnumeration_byHand(t *testing.T) {
	cfg := testConfig(t, "md", tasks["binary"])
	cfg.Width, cfg.Hidden, cfg.Missingness.MinRows = 1, 0, 1
	tr := Training{Availability: []uint64{1, 1, 2, 3}, Labels: []float32{0, 1, 0, 1}}
	h := newHead(t, cfg, tr)
	h.set(t, "classifier.1.weight", 2, 1, -1, 0.5) // h, then the codes of patterns 1, 2, 3
	h.set(t, "classifier.1.bias", 0.1)

	p, err := h.Predict([]float32{0.3, -1}, []uint64{2, 1})
	if err != nil {
		t.Fatal(err)
	}
	variance, spoofing := 0.0, 0.0
	for i, x := range []float64{0.3, -1} {
		z := 2*x + 0.1
		ps := []float64{sigmoid(z + 1), sigmoid(z - 1), sigmoid(z + 0.5)}
		do := ps[0]/2 + ps[1]/4 + ps[2]/4
		near(t, "do", float64(p.Do[i]), do, 1e-6)
		near(t, "observed", float64(p.Observed[i]), ps[1-i], 1e-6)
		for k, share := range []float64{0.5, 0.25, 0.25} {
			spoofing += share * math.Abs(ps[k]-ps[1-i]) / 2
		}
		variance += (ps[0]*ps[0]/2 + ps[1]*ps[1]/4 + ps[2]*ps[2]/4 - do*do) / 2
		// An average of probabilities, not the probability of the average logit.
		if math.Abs(do-sigmoid(z+1.0/2-1.0/4+0.5/4)) < 1e-4 {
			t.Fatal("the test cannot tell the two averages apart")
		}
	}
	diagnostics := map[string]float64{}
	for _, term := range h.Diagnostics() {
		diagnostics[term.Name] = term.Value
	}
	near(t, "strata", diagnostics["strata"], 3, 0)
	near(t, "merged", diagnostics["merged_patterns"], 0, 0)
	near(t, "entropy", diagnostics["prior_entropy"], 1.5*math.Log(2), 1e-12)
	near(t, "variance", termOf(t, p.Terms, "enumeration_variance"), variance, 1e-6)
	near(t, "spoofing", termOf(t, p.Terms, "spoofing"), spoofing, 1e-6)

	// Training sees the own stratum.
	out, err := h.Forward([]float32{0.3, -1}, Batch{Positions: []int32{2, 3}, Availability: []uint64{2, 3}, Labels: []float32{0, 1}}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "logit", float64(out.Logits[0]), 2*0.3+0.1-1, 1e-6)
	near(t, "logit", float64(out.Logits[1]), -2+0.1+0.5, 1e-6)
	near(t, "loss", float64(out.RowLoss[0]), softplus(2*0.3+0.1-1), 1e-6)
	dh, terms, err := h.Backward([]float32{3, 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "dh", float64(dh[0]), 0.75*2*sigmoid(2*0.3+0.1-1), 1e-6)
	near(t, "dh", float64(dh[1]), 0.25*2*(sigmoid(-2+0.1+0.5)-1), 1e-6)
	near(t, "term", terms[0].Value, 0.75*softplus(2*0.3+0.1-1)+0.25*softplus(2-0.1-0.5), 1e-6)
}

// With one stratum there is nothing to adjust: predictions and dh are those of a
// plain classifier with the same weights.
func TestEnumeration_oneStratumIsPlain(t *testing.T) {
	for name, task := range tasks {
		for _, variant := range []string{"md", "md_do"} {
			cfg := testConfig(t, variant, task)
			cfg.Missingness.Warmup = 0
			tr, rep := testData(task, 3)
			for i := range tr.Availability {
				tr.Availability[i] = 5
			}
			h := newHead(t, cfg, tr)
			flat := cfg
			flat.Missingness = nil
			plainHead := newHead(t, flat, tr)
			e, p := h.network.(*enumeration).classifier, plainHead.network.(*plain).classifier
			copy(p.first.Weight.Value, e.first.Weight.Value[:testWidth*cfg.Hidden])
			for j := range p.first.Bias.Value {
				p.first.Bias.Value[j] = e.first.Bias.Value[j] + e.first.Weight.Value[testWidth*cfg.Hidden+j]
			}
			copy(p.second.Weight.Value, e.second.Weight.Value)
			copy(p.second.Bias.Value, e.second.Bias.Value)

			got, err := h.Predict(rep[:4*testWidth], []uint64{5, 5, 1, 7})
			if err != nil {
				t.Fatal(err)
			}
			want, err := plainHead.Predict(rep[:4*testWidth], []uint64{5, 5, 1, 7})
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name+" do", got.Do, want.Do, 1e-5)
			compare(t, name+" observed", got.Observed, want.Do, 1e-5)
			b, x := batchOf(task, tr, rep, []int32{3, 1, 8})
			var dh [2][]float32
			for i, head := range []*Head{h, plainHead} {
				if _, err := head.Forward(x, b, 0, 0); err != nil {
					t.Fatal(err)
				}
				if dh[i], _, err = head.Backward(nil, nil); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, name+" dh", dh[0], dh[1], 1e-4)
		}
	}
}

// A pattern that training never saw is scored in every stratum, and observed in
// the nearest one.
func TestEnumeration_unseenPattern(t *testing.T) {
	d := newTrainer(t, testConfig(t, "md", tasks["binary"]))
	for s := range 2 * testSteps {
		d.step(s, false)
	}
	nearest := d.head.strata.patterns.kept[d.head.strata.patterns.stratum(4)]
	if slices.Contains(d.tr.Availability, 4) || nearest == 4 {
		t.Fatal("pattern 4 was to be unseen")
	}
	rep := d.h[:testWidth]
	unseen, err := d.head.Predict(rep, []uint64{4})
	if err != nil {
		t.Fatal(err)
	}
	seen, err := d.head.Predict(rep, []uint64{nearest})
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "do", unseen.Do, seen.Do, 0)
	compare(t, "observed", unseen.Observed, seen.Observed, 0)
}

// The strategy's gradient of the logits reaches h through the same network.
func TestHead_Backward_addsGradientOfLogits(t *testing.T) {
	cfg := testConfig(t, "md", tasks["multiclass"])
	cfg.Hidden = 0
	tr, rep := testData(cfg.Task, 3)
	b, x := batchOf(cfg.Task, tr, rep, []int32{3, 1})
	dlogits := []float32{1, -2, 0.5, 0, 3, -1}
	step := func(weights, dlogits []float32) []float32 {
		h := newHead(t, cfg, tr)
		if _, err := h.Forward(x, b, 0, 0); err != nil {
			t.Fatal(err)
		}
		dh, _, err := h.Backward(weights, dlogits)
		if err != nil {
			t.Fatal(err)
		}
		return dh
	}
	w := newHead(t, cfg, tr).network.(*enumeration).classifier.first.Weight.Value
	want := make([]float32, 2*testWidth)
	for i := range 2 {
		for j := range testWidth {
			for o := range 3 {
				want[i*testWidth+j] += dlogits[i*3+o] * w[j*3+o]
			}
		}
	}
	compare(t, "of the strategy alone", step([]float32{0, 0}, dlogits), want, 1e-6)
	both, alone := step(nil, dlogits), step(nil, nil)
	for i := range both {
		both[i] -= alone[i]
	}
	compare(t, "added", both, want, 1e-5)
}

func TestHead_Backward_weightsAreRelative(t *testing.T) {
	for _, variant := range []string{"md_do", "md_db"} {
		cfg := testConfig(t, variant, tasks["binary"])
		var dh [2][]float32
		for i, c := range []float32{1, 64} {
			d := newTrainer(t, cfg)
			for s := range 5 * testSteps {
				d.step(s, false)
			}
			b, x := batchOf(cfg.Task, d.tr, d.h, []int32{3, 1, 9, 22})
			if _, err := d.head.Forward(x, b, 4, 99); err != nil {
				t.Fatal(err)
			}
			var err error
			if dh[i], _, err = d.head.Backward([]float32{c, 2 * c, 0.5 * c, c}, nil); err != nil {
				t.Fatal(err)
			}
		}
		compare(t, variant, dh[1], dh[0], 1e-6)
	}
}
