package causal

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
)

func TestHead_trainsAndPredicts(t *testing.T) {
	eachVariant(t, func(t *testing.T, cfg Config) {
		cfg.Dropout = 0.2
		d := newTrainer(t, cfg)
		for s := range cfg.Epochs * testSteps {
			before := slices.Clone(d.h)
			d.step(s, true)
			if s%testSteps != testSteps-1 {
				continue
			}
			// Patterns 4 and 0 never occur in training.
			availability := []uint64{7, 3, 4, 0, 1}
			p, err := d.head.Predict(before[:5*testWidth], availability)
			if err != nil {
				t.Fatal(err)
			}
			for _, term := range append(d.head.Diagnostics(), p.Terms...) {
				if math.IsNaN(term.Value) || math.IsInf(term.Value, 0) {
					t.Errorf("%s is %v", term.Name, term.Value)
				}
			}
			for _, values := range [][]float32{p.Do, p.Observed} {
				if len(values) != 5*cfg.Task.Outputs() {
					t.Fatalf("got %d probabilities", len(values))
				}
				for _, v := range values {
					if !(v >= 0 && v <= 1) {
						t.Fatalf("epoch %d: probability %v", s/testSteps, v)
					}
				}
				if cfg.Task.Kind == Multiclass {
					for i := 0; i < len(values); i += 3 {
						if sum := values[i] + values[i+1] + values[i+2]; math.Abs(float64(sum)-1) > 1e-5 {
							t.Fatalf("probabilities sum to %v", sum)
						}
					}
				}
			}
		}
	})
}

func TestHead_continuesBitForBit(t *testing.T) {
	eachVariant(t, func(t *testing.T, cfg Config) {
		cfg.Dropout = 0.2
		whole := newTrainer(t, cfg)
		total := cfg.Epochs * testSteps
		for s := range total {
			whole.step(s, true)
		}
		want, err := whole.head.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for _, cut := range []int{1, 5, 9, 17, 22} {
			first := newTrainer(t, cfg)
			for s := range cut {
				first.step(s, true)
			}
			state, err := first.head.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			second := newTrainer(t, cfg)
			second.step(0, false) // restoring replaces whatever was there
			if err := second.head.Restore(state); err != nil {
				t.Fatal(err)
			}
			second.h, second.log = first.h, first.log
			for s := cut; s < total; s++ {
				second.step(s, true)
			}
			for s := range total {
				if second.log[s] != whole.log[s] {
					t.Fatalf("cut at %d: step %d differs:\n%s\n%s", cut, s, second.log[s], whole.log[s])
				}
			}
			got, err := second.head.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("cut at %d: final snapshots differ", cut)
			}
		}
	})
}

func TestHead_Restore_refusesAnotherConfiguration(t *testing.T) {
	a := newTrainer(t, testConfig(t, "md", tasks["binary"]))
	state, err := a.head.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	b := newTrainer(t, testConfig(t, "md_do", tasks["binary"]))
	if err := b.head.Restore(state); err == nil || !strings.Contains(err.Error(), "another configuration") {
		t.Errorf("got %v", err)
	}
	if err := b.head.Restore(state[:len(state)/2]); err == nil {
		t.Error("half a snapshot was accepted")
	}

	// What waits for its Backward is dropped.
	batch, rep := batchOf(a.head.cfg.Task, a.tr, a.h, []int32{1, 2})
	if _, err := a.head.Forward(rep, batch, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := a.head.Restore(state); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.head.Backward(nil, nil); err == nil {
		t.Error("a batch from before the restore was trained on")
	}
}

func TestHead_rowsOfWeightZeroHaveNoInfluence(t *testing.T) {
	eachVariant(t, func(t *testing.T, cfg Config) {
		run := func(keepZero bool) (*trainer, []float32) {
			d := newTrainer(t, cfg)
			for s := range cfg.Epochs * testSteps {
				d.step(s, false)
			}
			epoch, step := cfg.Epochs-1, uint64(cfg.Epochs*testSteps)
			positions := []int32{3, 9, 20, 31, 40, 50}
			weights := []float32{1, 0, 2, 0, 0.5, 1}
			if !keepZero {
				positions, weights = []int32{3, 20, 40, 50}, []float32{1, 2, 0.5, 1}
			}
			b, rep := batchOf(cfg.Task, d.tr, d.h, positions)
			if _, err := d.head.Forward(rep, b, epoch, step); err != nil {
				t.Fatal(err)
			}
			dh, _, err := d.head.Backward(weights, nil)
			if err != nil {
				t.Fatal(err)
			}
			return d, dh
		}
		with, dhWith := run(true)
		without, dhWithout := run(false)
		for i, p := range []int{0, 2, 4, 5} {
			compare(t, "dh", dhWith[p*testWidth:(p+1)*testWidth], dhWithout[i*testWidth:(i+1)*testWidth], 1e-5)
		}
		for _, p := range []int{1, 3} {
			compare(t, "dh of a row with weight 0", dhWith[p*testWidth:(p+1)*testWidth], make([]float32, testWidth), 0)
		}
		for g := range with.head.groups {
			for i, p := range with.head.groups[g].params.All() {
				compare(t, p.Name, p.Value, without.head.groups[g].params.All()[i].Value, 1e-4)
			}
		}
		if m, n := with.head.network.state(), without.head.network.state(); len(m.MeanSum) > 0 {
			compare(t, "mean of z_b", narrow(m.MeanSum), narrow(n.MeanSum), 1e-6)
		}
	})
}

func TestHead_Backward_allWeightsZeroChangesNothing(t *testing.T) {
	eachVariant(t, func(t *testing.T, cfg Config) {
		d := newTrainer(t, cfg)
		for s := range 3 {
			d.step(s, false)
		}
		b, rep := batchOf(cfg.Task, d.tr, d.h, []int32{1, 2, 3})
		if _, err := d.head.Forward(rep, b, 0, 3); err != nil {
			t.Fatal(err)
		}
		before, _ := d.head.Snapshot()
		dh, _, err := d.head.Backward([]float32{0, 0, 0}, nil)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := d.head.Snapshot()
		compare(t, "dh", dh, make([]float32, len(dh)), 0)
		if !bytes.Equal(before, after) {
			t.Error("the head changed")
		}
	})
}

// A backbone gets dh while no parameter has moved yet; the bits after Update are
// those of Backward, and nothing sees a head that is half a step ahead.
func TestHead_Gradient_movesNothing(t *testing.T) {
	eachVariant(t, func(t *testing.T, cfg Config) {
		whole, halves := newTrainer(t, cfg), newTrainer(t, cfg)
		for s := range 3 {
			whole.step(s, false)
			halves.step(s, false)
		}
		b, rep := batchOf(cfg.Task, whole.tr, whole.h, []int32{1, 2, 3, 4})
		for _, d := range []*trainer{whole, halves} {
			if _, err := d.head.Forward(rep, b, 0, 3); err != nil {
				t.Fatal(err)
			}
		}
		want, _, err := whole.head.Backward(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		before := map[*nn.Param][]float32{}
		for _, g := range halves.head.groups {
			for _, p := range g.params.All() {
				before[p] = slices.Clone(p.Value)
			}
		}
		dh, _, err := halves.head.Gradient(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, "dh", dh, want, 0)
		for _, g := range halves.head.due {
			for _, p := range g.params.All() {
				compare(t, p.Name+" before the update", p.Value, before[p], 0)
			}
		}
		if _, err := halves.head.Forward(rep, b, 0, 4); err == nil {
			t.Error("a forward before the update was answered")
		}
		if _, err := halves.head.Predict(rep, b.Availability); err == nil {
			t.Error("a prediction before the update was answered")
		}
		if _, err := halves.head.Snapshot(); err == nil {
			t.Error("a snapshot before the update was answered")
		}
		halves.head.Update()
		halves.head.Update() // has nothing left to do
		got, err := halves.head.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		after, err := whole.head.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, after) {
			t.Error("two halves of a step are not the whole one")
		}
	})
}

func TestHead_errors(t *testing.T) {
	cfg := testConfig(t, "md_warmup", tasks["binary"])
	d := newTrainer(t, cfg)
	b, rep := batchOf(cfg.Task, d.tr, d.h, []int32{1, 2})
	check := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
	forward := func(rep []float32, b Batch, epoch int) error {
		_, err := d.head.Forward(rep, b, epoch, 0)
		return err
	}
	check("empty", forward(nil, Batch{}, 0), "empty")
	check("width", forward(rep[1:], b, 0), "representations of width")
	check("availability", forward(rep, Batch{Positions: b.Positions, Labels: b.Labels}, 0), "availabilities")
	check("labels", forward(rep, Batch{Positions: b.Positions, Availability: b.Availability}, 0), "labels")
	check("label", forward(rep, Batch{b.Positions, b.Availability, []float32{0, 2}}, 0), "label 2")
	check("position", forward(rep, Batch{[]int32{0, testRows}, b.Availability, b.Labels}, 0), "outside")
	check("refresh", forward(rep, b, 2), "starts with Refresh")
	check("refresh size", d.head.Refresh(2, rep), "training rows")
	bad := slices.Clone(d.h)
	bad[7] = float32(math.NaN())
	check("refresh NaN", d.head.Refresh(2, bad), "NaN")
	_, _, err := d.head.Backward(nil, nil)
	check("backward", err, "without a forward")
	for _, weights := range [][]float32{{1}, {1, -1}, {1, float32(math.Inf(1))}, {1, float32(math.NaN())}} {
		if err := forward(rep, b, 0); err != nil {
			t.Fatal(err)
		}
		_, _, err = d.head.Backward(weights, nil)
		check("weights", err, "weight")
	}
	if err := forward(rep, b, 0); err != nil {
		t.Fatal(err)
	}
	_, _, err = d.head.Backward(nil, []float32{1})
	check("dlogits", err, "logits")
	_, err = d.head.Predict(rep, []uint64{1})
	check("predict", err, "representations")
	if p, err := d.head.Predict(nil, nil); err != nil || p.Do != nil {
		t.Errorf("predict of no rows: %v, %v", p, err)
	}

	construct := func(change func(*Config, *Training)) error {
		cfg, tr := cfg, d.tr
		change(&cfg, &tr)
		_, err := New(cfg, tr)
		return err
	}
	check("kind", construct(func(c *Config, _ *Training) { c.Task = Task{Kind: "ordinal"} }), "ordinal")
	check("classes", construct(func(c *Config, _ *Training) { c.Task = Task{Kind: Multiclass, Classes: 1} }), "classes")
	check("width", construct(func(c *Config, _ *Training) { c.Width = 0 }), "width")
	check("modalities", construct(func(c *Config, _ *Training) { c.Modalities = 65 }), "modalities")
	check("biased", construct(func(c *Config, _ *Training) { c.Biased = 1 }), "1 of the 5 columns of h")
	check("biased", construct(func(c *Config, _ *Training) {
		c.DualBranch, c.Biased = testConfig(t, "availability", cfg.Task).DualBranch, 2
	}), "0 values of the biased part")
	check("hidden", construct(func(c *Config, _ *Training) { c.Hidden = -1 }), "head.hidden")
	check("dropout", construct(func(c *Config, _ *Training) { c.Dropout = 1 }), "head.dropout")
	check("epochs", construct(func(c *Config, _ *Training) { c.Epochs = 0 }), "run.epochs")
	check("optimizer", construct(func(c *Config, _ *Training) { c.Optimizer.Name = "newton" }), "newton")
	check("settings", construct(func(c *Config, _ *Training) { c.Missingness = &Missingness{} }), "ParseMissingness")
	check("settings", construct(func(c *Config, _ *Training) { c.DualBranch = &DualBranch{} }), "ParseDualBranch")
	check("rows", construct(func(_ *Config, tr *Training) { *tr = Training{} }), "no training rows")
	check("labels", construct(func(_ *Config, tr *Training) { tr.Labels = tr.Labels[1:] }), "labels")
	check("covariates", construct(func(_ *Config, tr *Training) { tr.CovariateWidth = 9 }), "covariates")
	check("multiclass label", construct(func(c *Config, tr *Training) {
		c.Task = Task{Kind: Multiclass, Classes: 3}
		tr.Labels = append([]float32{3}, tr.Labels[1:]...)
	}), "label 3")
	check("clusters", construct(func(c *Config, _ *Training) {
		m := *testConfig(t, "md_kmeans", cfg.Task).Missingness
		m.Clusters = testRows + 1
		c.Missingness = &m
	}), "missingness.clusters")
	check("covariate", construct(func(c *Config, tr *Training) {
		c.Missingness = testConfig(t, "md_kmeans", cfg.Task).Missingness
		tr.Covariates = slices.Clone(tr.Covariates)
		tr.Covariates[5] = float32(math.NaN())
	}), "covariate of training row 2")
}

// compare checks values within a tolerance relative to their scale.
func compare(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	scale := 0.0
	for _, v := range want {
		scale = math.Max(scale, math.Abs(float64(v)))
	}
	for i := range got {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tolerance*math.Max(scale, 1e-3)) {
			t.Fatalf("%s: got %v, want %v (index %d)", what, got, want, i)
		}
	}
}

// A batch of one class, or of one row, trains like any other.
func TestHead_batchOfOneClass(t *testing.T) {
	eachVariant(t, func(t *testing.T, cfg Config) {
		d := newTrainer(t, cfg)
		for s := range cfg.Epochs * testSteps {
			d.step(s, false)
		}
		var same []int32
		for i := range testRows {
			if w := cfg.Task.LabelWidth(); d.tr.Labels[i*w] == 1 && len(same) < 12 {
				same = append(same, int32(i))
			}
		}
		for _, positions := range [][]int32{same, same[:2], same[:1]} {
			b, rep := batchOf(cfg.Task, d.tr, d.h, positions)
			if _, err := d.head.Forward(rep, b, cfg.Epochs-1, 99); err != nil {
				t.Fatal(err)
			}
			dh, terms, err := d.head.Backward(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range dh {
				if v != v || math.IsInf(float64(v), 0) {
					t.Fatalf("%d rows of one class: gradient %v", len(positions), v)
				}
			}
			for _, term := range terms {
				if math.IsNaN(term.Value) || math.IsInf(term.Value, 0) {
					t.Errorf("%d rows of one class: %s is %v", len(positions), term.Name, term.Value)
				}
			}
		}
	})
}
