package causal

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// dhAt is the gradient of one batch at an epoch and step, from a head trained for
// the given number of steps.
func dhAt(t *testing.T, cfg Config, trained, epoch int, step uint64) []float32 {
	t.Helper()
	d := newTrainer(t, cfg)
	for s := range trained {
		d.step(s, false)
	}
	b, rep := batchOf(cfg.Task, d.tr, d.h, []int32{1, 5, 9, 14, 20, 33, 47, 60})
	if _, err := d.head.Forward(rep, b, epoch, step); err != nil {
		t.Fatal(err)
	}
	dh, _, err := d.head.Backward(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dh
}

func TestBranches_permutationIsKeyedByStep(t *testing.T) {
	cfg := testConfig(t, "db_own", tasks["binary"])
	trained := 3 * testSteps // two epochs in, swapping has begun
	first := dhAt(t, cfg, trained, 2, 100)
	if !slices.Equal(first, dhAt(t, cfg, trained, 2, 100)) {
		t.Error("the same step drew another permutation")
	}
	if slices.Equal(first, dhAt(t, cfg, trained, 2, 101)) {
		t.Error("two steps drew the same permutation")
	}
	// Before the swap starts a step draws nothing.
	if !slices.Equal(dhAt(t, cfg, testSteps, 0, 100), dhAt(t, cfg, testSteps, 0, 101)) {
		t.Error("the step matters before the swap starts")
	}
	other := cfg
	other.Seed++
	if slices.Equal(first, dhAt(t, other, trained, 2, 100)) {
		t.Error("the seed does not matter")
	}
}

func TestBranches_difficulty(t *testing.T) {
	got := relativeDifficulty([]float64{1, 0, 3, 0}, []float64{3, 1, 1, 0})
	for i, want := range []float64{0.75, 1, 0.25, 0} {
		near(t, "difficulty", got[i], want, 1e-6)
	}
}

// marginal by its definition: the mean over the pool of the joint head at
// (z_c of the row, z_b and stratum of the pool row).
func TestBranches_marginalByDefinition(t *testing.T) {
	for _, task := range tasks {
		cfg := testConfig(t, "md_db", task)
		cfg.DualBranch.Pool = 9
		d := newTrainer(t, cfg)
		for s := range cfg.Epochs * testSteps {
			d.step(s, false)
		}
		n := d.head.network.(*branches)
		if len(n.saved.PoolStrata) != 9 || len(n.saved.PoolBiased) != 9*testWidth {
			t.Fatalf("pool of %d and %d", len(n.saved.PoolStrata), len(n.saved.PoolBiased))
		}
		rep := d.h[:2*testWidth]
		got, err := d.head.Predict(rep, []uint64{1, 2})
		if err != nil {
			t.Fatal(err)
		}
		values := d.head.valuesByName()
		c := twoLayers(values, "branches", "causal", rowsOf(widen(rep), testWidth))
		codes := rowsOf(widen(d.head.strata.codes()), d.head.strata.codeWidth())
		want := make([]float64, 2*task.Outputs())
		for j, k := range n.saved.PoolStrata {
			z := widen(n.saved.PoolBiased[j*testWidth : (j+1)*testWidth])
			logits := twoLayers(values, "joint", "joint", concat(c, matrix{z, z}, matrix{codes[k], codes[k]}))
			p := make([]float64, task.Outputs())
			for i, row := range logits {
				task.probabilities(p, narrow(row))
				for o, v := range p {
					want[i*task.Outputs()+o] += v / 9
				}
			}
		}
		compare(t, "do", got.Do, narrow(want), 1e-4)
	}
}

func TestBranches_poolIsOfTrainingRows(t *testing.T) {
	cfg := testConfig(t, "md_db", tasks["binary"])
	cfg.DualBranch.Pool = 1000 // more than there are rows: all of them
	d := newTrainer(t, cfg)
	for s := range 4*testSteps + 1 {
		d.step(s, false)
	}
	n := d.head.network.(*branches)
	if err := d.head.Refresh(5, d.h); err != nil {
		t.Fatal(err)
	}
	count := make([]float64, d.head.strata.size)
	for _, k := range n.saved.PoolStrata {
		count[k] += 1.0 / testRows
	}
	for k, p := range d.head.strata.prior {
		near(t, "share of the pool", count[k], p, 1e-12)
	}
	b := twoLayers(d.head.valuesByName(), "branches", "biased", rowsOf(widen(d.h), testWidth))
	var sum float64
	for _, row := range b {
		sum += row[0] / testRows
	}
	got := 0.0
	for i := 0; i < len(n.saved.PoolBiased); i += testWidth {
		got += float64(n.saved.PoolBiased[i]) / testRows
	}
	near(t, "mean of z_b in the pool", got, sum, 1e-5)
}

// drop puts the running mean of z_b in place; own keeps the row's.
func TestBranches_dropAndOwn(t *testing.T) {
	cfg := testConfig(t, "db_drop", tasks["binary"])
	d := newTrainer(t, cfg)
	for s := range cfg.Epochs * testSteps {
		d.step(s, false)
	}
	n := d.head.network.(*branches)
	rep := d.h[:3*testWidth]
	got, err := d.head.Predict(rep, []uint64{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	values := d.head.valuesByName()
	c := twoLayers(values, "branches", "causal", rowsOf(widen(rep), testWidth))
	b := twoLayers(values, "branches", "biased", rowsOf(widen(rep), testWidth))
	var mean []float64
	for _, sum := range n.saved.MeanSum {
		mean = append(mean, sum/n.saved.MeanWeight)
	}
	drop := twoLayers(values, "branches", "causal.classifier", concat(c, matrix{mean, mean, mean}))
	own := twoLayers(values, "branches", "causal.classifier", concat(c, b))
	for i := range 3 {
		near(t, "do", float64(got.Do[i]), sigmoid(drop[i][0]), 1e-5)
		near(t, "observed", float64(got.Observed[i]), sigmoid(own[i][0]), 1e-5)
	}
	// Rows 0, 1, 2 take z_b, and z_c, of rows 1, 2, 0.
	next := matrix{b[1], b[2], b[0]}
	swapped := twoLayers(values, "branches", "causal.classifier", concat(c, next))
	other := twoLayers(values, "branches", "causal.classifier", concat(matrix{c[1], c[2], c[0]}, b))
	spurious, causal := 0.0, 0.0
	for i := range 3 {
		spurious += math.Abs(sigmoid(own[i][0])-sigmoid(swapped[i][0])) / 3
		causal += math.Abs(sigmoid(own[i][0])-sigmoid(other[i][0])) / 3
	}
	// The same, asked for row by row; dropped, z_b moves nothing of what is reported.
	from := []int32{1, 2, 0}
	lentB, err := d.head.Counterfactual(rep, []uint64{1, 2, 3}, nil, from)
	if err != nil {
		t.Fatal(err)
	}
	lentC, err := d.head.Counterfactual(rep, []uint64{1, 2, 3}, from, nil)
	if err != nil {
		t.Fatal(err)
	}
	reported := twoLayers(values, "branches", "causal.classifier", concat(matrix{c[1], c[2], c[0]}, matrix{mean, mean, mean}))
	for i := range 3 {
		near(t, "observed with another z_b", float64(lentB.Observed[i]), sigmoid(swapped[i][0]), 1e-5)
		near(t, "observed with another z_c", float64(lentC.Observed[i]), sigmoid(other[i][0]), 1e-5)
		near(t, "do with another z_b", float64(lentB.Do[i]), float64(got.Do[i]), 0)
		near(t, "do with another z_c", float64(lentC.Do[i]), sigmoid(reported[i][0]), 1e-5)
	}
	for _, bad := range [][]int32{{0}, {0, 1, 3}, {0, -1, 2}} {
		if _, err := d.head.Counterfactual(rep, []uint64{1, 2, 3}, bad, nil); err == nil {
			t.Errorf("rows %v lend a branch to 3", bad)
		}
	}
	near(t, "spurious reliance", termOf(t, got.Terms, "spurious_reliance"), spurious, 1e-5)
	near(t, "causal reliance", termOf(t, got.Terms, "causal_reliance"), causal, 1e-5)
	near(t, "weight of the running mean", n.saved.MeanWeight, 1-math.Pow(meanDecay, float64(cfg.Epochs*testSteps)), 1e-12)
}

// Once frozen, only the joint head is trained and no gradient leaves the head.
func TestBranches_freeze(t *testing.T) {
	d := newTrainer(t, testConfig(t, "md_db_freeze", tasks["binary"]))
	for s := range 5 * testSteps {
		d.step(s, false)
		if s/testSteps < 4 {
			continue
		}
		compare(t, "dh", d.dh, make([]float32, len(d.dh)), 0)
	}
	n := d.head.network.(*branches)
	branches := slices.Clone(n.split.params.All()[0].Value)
	joint := slices.Clone(n.joint.params.All()[0].Value)
	d.step(5*testSteps, false)
	if !slices.Equal(branches, n.split.params.All()[0].Value) {
		t.Error("the branches moved")
	}
	if slices.Equal(joint, n.joint.params.All()[0].Value) {
		t.Error("the joint head did not move")
	}
}

// The joint head does not reach into the branches: with and without it, the
// gradient of h is the same.
func TestBranches_jointHeadIsDetached(t *testing.T) {
	with := testConfig(t, "md_db", tasks["binary"])
	without := with
	later := *with.DualBranch
	later.JointStart = 1 // the last epoch
	without.DualBranch = &later
	trained := 4 * testSteps
	if !slices.Equal(dhAt(t, with, trained-1, 3, 50), dhAt(t, without, trained-1, 3, 50)) {
		t.Fatal("the two runs differ before the joint stage")
	}
	d := newTrainer(t, with)
	for s := range trained + 1 {
		d.step(s, false)
	}
	e := newTrainer(t, without)
	for s := range trained + 1 {
		e.step(s, false)
	}
	compare(t, "dh", d.dh, e.dh, 0)
}

func TestSchedule(t *testing.T) {
	m, err := ParseMissingness(map[string]any{"warmup": 5})
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDualBranch(nil)
	if err != nil {
		t.Fatal(err)
	}
	drop := *d
	drop.Predict, drop.SwapWeight = PredictDrop, 0
	early := *d
	early.SwapStart, early.JointStart = 0, 0
	maskDo := &Missingness{Mode: MaskDo, Warmup: 5}
	for _, test := range []struct {
		m       *Missingness
		d       *DualBranch
		epochs  int
		want    schedule
		settled int
	}{
		{nil, nil, 30, schedule{0, 0, never, never}, 0},
		{m, nil, 30, schedule{0, 5, never, never}, 5},
		{m, nil, 6, schedule{0, 2, never, never}, 2},
		{maskDo, nil, 30, schedule{0, 0, never, never}, 0},
		{nil, d, 30, schedule{0, 0, 10, 20}, 20},
		{nil, &drop, 30, schedule{0, 0, never, never}, 0},
		{m, d, 30, schedule{0, 5, 10, 20}, 20},
		{m, &drop, 30, schedule{0, 5, never, 20}, 20},
		{m, &early, 30, schedule{0, 5, 5, 5}, 5}, // nothing starts in the warm-up
		{m, d, 1, schedule{0, 0, 0, 0}, 0},
		{m, d, 2, schedule{0, 0, 1, 1}, 1},
		{m, d, 3, schedule{0, 1, 1, 2}, 2},
	} {
		got := newSchedule(test.m, test.d, test.epochs)
		if got != test.want || got.settled() != test.settled {
			t.Errorf("%d epochs: got %+v settled %d, want %+v settled %d", test.epochs, got, got.settled(), test.want, test.settled)
		}
	}
	cfg := testConfig(t, "md_warmup", tasks["binary"])
	tr, _ := testData(cfg.Task, 1)
	h := newHead(t, cfg, tr)
	if h.Settled(1) || !h.Settled(2) {
		t.Error("settled before or not after the warm-up")
	}
}

// Weights are balanced within classes: a rare class that is hard throughout must
// not take all the weight. A row without share counts for nothing.
func TestBalanced_keepsTheClassesApart(t *testing.T) {
	labels := []float32{1, 1, 0, 0, 0, 2, 2, 2, 2, 2}
	share := []float64{1, 1, 1, 1, 0, 1, 1, 1, 1, 1}
	got := balanced([]float64{1, 0.5, 0.1, 0.3, 9, 0.9, 0.025, 0.025, 0.025, 0.025}, labels, share)
	for i, want := range []float64{4.0 / 3, 2.0 / 3, 0.5, 1.5, 0, largestDifficulty, 0.125, 0.125, 0.125, 0.125} {
		near(t, "balanced weight", got[i], want, 1e-6)
	}
}

// drop and own with strata: the joint head summed over the strata by their
// prior, not in the row's own, and observed in the row's own.
func TestBranches_sumsOverStrataByDefinition(t *testing.T) {
	for name, task := range tasks {
		for _, predict := range []string{PredictDrop, PredictOwn} {
			cfg := testConfig(t, "md_db", task)
			cfg.DualBranch.Predict = predict
			d := newTrainer(t, cfg)
			for s := range cfg.Epochs * testSteps {
				d.step(s, false)
			}
			rep, availability := d.h[:3*testWidth], []uint64{1, 2, 7}
			got, err := d.head.Predict(rep, availability)
			if err != nil {
				t.Fatal(err)
			}
			values, n := d.head.valuesByName(), d.head.network.(*branches)
			c := twoLayers(values, "branches", "causal", rowsOf(widen(rep), testWidth))
			own := twoLayers(values, "branches", "biased", rowsOf(widen(rep), testWidth))
			b := own
			if predict == PredictDrop {
				var mean []float64
				for _, sum := range n.saved.MeanSum {
					mean = append(mean, sum/n.saved.MeanWeight)
				}
				b = matrix{mean, mean, mean}
			}
			codes := rowsOf(widen(d.head.strata.codes()), d.head.strata.codeWidth())
			score := func(b matrix, codes matrix) []float64 {
				var out []float64
				p := make([]float64, task.Outputs())
				for _, row := range twoLayers(values, "joint", "joint", concat(c, b, codes)) {
					task.probabilities(p, narrow(row))
					out = append(out, p...)
				}
				return out
			}
			var observed matrix
			for _, a := range availability {
				observed = append(observed, codes[d.head.strata.patterns.stratum(a)])
			}
			inOwn := score(own, observed)
			do, spoofing := make([]float64, len(inOwn)), 0.0
			for k, prior := range d.head.strata.prior {
				told := matrix{codes[k], codes[k], codes[k]}
				for i, p := range score(b, told) {
					do[i] += prior * p
				}
				for i, p := range score(own, told) {
					spoofing += prior * math.Abs(p-inOwn[i]) / float64(len(inOwn))
				}
			}
			compare(t, name+" do by "+predict, got.Do, narrow(do), 1e-4)
			compare(t, name+" observed by "+predict, got.Observed, narrow(inOwn), 1e-4)
			near(t, name+" spoofing", termOf(t, got.Terms, "spoofing"), spoofing, 1e-5)
		}
	}
}

// Every combination of the dual branch's settings, with and without strata and
// for every task, has the gradient of its objective in its last stage.
func TestBranches_everyCombination(t *testing.T) {
	if testing.Short() {
		t.Skip("trains 216 small heads")
	}
	for name, task := range tasks {
		for _, md := range []string{"erm", "md", "md_db_biased"} {
			for _, heads := range []string{HeadsJoint, HeadsSeparate} {
				for _, independence := range []string{IndependenceHSIC, IndependenceVCLUB, IndependenceOrthogonal, IndependenceNone} {
					for _, predict := range []string{PredictMarginal, PredictDrop, PredictOwn} {
						t.Run(fmt.Sprint(name, " ", md, " ", heads, " ", independence, " ", predict), func(t *testing.T) {
							cfg := testConfig(t, "db", task)
							cfg.Missingness = testConfig(t, md, task).Missingness
							cfg.DualBranch.Heads, cfg.DualBranch.Independence, cfg.DualBranch.Predict = heads, independence, predict
							cfg.DualBranch.BiasWeight, cfg.DualBranch.SwapWeight, cfg.DualBranch.InnerWidth = 0.7, 2, 4
							cfg.Epochs = 3
							checkCombination(t, cfg)
						})
					}
				}
			}
		}
	}
}

func checkCombination(t *testing.T, cfg Config) {
	t.Helper()
	d := newTrainer(t, cfg)
	for s := range cfg.Epochs * testSteps {
		if s == cfg.Epochs*testSteps-1 {
			checkGradients(t, d, s)
		}
		d.step(s, true)
	}
	p, err := d.head.Predict(d.h[:2*testWidth], []uint64{7, 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(p.Do, p.Observed...) {
		if !(v >= 0 && v <= 1) {
			t.Fatalf("probability %v", v)
		}
	}
	// Without strata, nothing is averaged over where z_b is kept or never seen.
	b := cfg.DualBranch
	inert := cfg.Missingness == nil && (b.Predict == PredictOwn || (b.Predict == PredictDrop && b.Heads == HeadsSeparate))
	if same := slices.Equal(p.Do, p.Observed); same != inert {
		t.Errorf("the adjusted prediction is the observed one: %v, want %v", same, inert)
	}
}

// The running mean of z_b is that of the rows, weighted, from the first step on.
func TestBranches_runningMean(t *testing.T) {
	d := newTrainer(t, testConfig(t, "db_drop", tasks["binary"]))
	n := d.head.network.(*branches)
	b := make([]float32, 3*testWidth)
	for i := range b {
		b[i] = []float32{1, 5, 99}[i/testWidth] // the last row has no share
	}
	for range 4 {
		n.track(b, []float64{0.75, 0.25, 0})
		near(t, "running mean", n.saved.MeanSum[0]/n.saved.MeanWeight, 2, 1e-9)
	}
	n.track(b, []float64{0, 0, 0})
	near(t, "running mean after a step without rows", n.saved.MeanSum[0]/n.saved.MeanWeight, 2, 1e-9)
}
