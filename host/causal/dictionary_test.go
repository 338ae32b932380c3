package causal

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// repeat lists each pattern as often as it is paired with.
func repeat(pairs ...uint64) []uint64 {
	var out []uint64
	for i := 0; i < len(pairs); i += 2 {
		for range pairs[i+1] {
			out = append(out, pairs[i])
		}
	}
	return out
}

func TestPatterns_mergesRareOnes(t *testing.T) {
	// 0b100 is rare: 0b101 and 0b110 are both at distance 1, 0b110 is larger.
	p := newPatterns(repeat(0b101, 20, 0b110, 25, 0b100, 3, 0b011, 30, 0b001, 19), 20)
	if !slices.Equal(p.kept, []uint64{0b011, 0b101, 0b110}) || p.merged != 2 {
		t.Fatalf("kept %b, merged %d", p.kept, p.merged)
	}
	for pattern, want := range map[uint64]int32{
		0b011: 0, 0b101: 1, 0b110: 2,
		0b100: 2, // the larger of two at the same distance
		0b001: 0, // 30 rows against 20
		0b111: 0, // never seen: distance 1 to all, the largest
		0b010: 0, // never seen: 0b011 and 0b110 at distance 1, the largest
	} {
		if got := p.stratum(pattern); got != want {
			t.Errorf("stratum of %03b: got %d, want %d", pattern, got, want)
		}
	}
	if !slices.Equal(p.rows, []int{49, 20, 28}) {
		t.Errorf("rows %v", p.rows)
	}
}

func TestPatterns_allRare(t *testing.T) {
	p := newPatterns(repeat(1, 2, 3, 3, 2, 3), 20)
	if !slices.Equal(p.kept, []uint64{2}) || p.merged != 2 || p.stratum(1) != 0 || p.rows[0] != 8 {
		t.Errorf("got %+v", p)
	}
}

func TestDictionary_priorIsOfTrainingRows(t *testing.T) {
	cfg := testConfig(t, "md", tasks["binary"])
	tr, h := testData(cfg.Task, 3)
	head := newHead(t, cfg, tr)
	d := head.strata
	count := make([]float64, d.size)
	for _, a := range tr.Availability {
		count[d.patterns.stratum(a)] += 1 / float64(len(tr.Availability))
	}
	for k := range count {
		near(t, "prior", d.prior[k], count[k], 1e-12)
	}
	// Rows that are predicted never enter it, however many of one pattern.
	before, _ := head.Snapshot()
	availability := make([]uint64, testRows)
	for i := range availability {
		availability[i] = 4
	}
	if _, err := head.Predict(h, availability); err != nil {
		t.Fatal(err)
	}
	after, _ := head.Snapshot()
	if !bytes.Equal(before, after) {
		t.Error("Predict changed the state")
	}
}

func TestDictionary_prototypesAreMeans(t *testing.T) {
	cfg := testConfig(t, "md_warmup", tasks["binary"])
	cfg.Missingness.Code, cfg.Missingness.Momentum = Prototype, 0.25
	tr, h := testData(cfg.Task, 3)
	head := newHead(t, cfg, tr)
	if !slices.Equal(head.strata.codes(), make([]float32, head.strata.size*testWidth)) {
		t.Error("codes before the first refresh are not zero")
	}
	want := make([]float64, head.strata.size*testWidth)
	update := func(keep float64, h []float32) {
		sum, count := make([]float64, len(want)), make([]float64, head.strata.size)
		for i, a := range tr.Availability {
			k := int(head.strata.patterns.stratum(a))
			count[k]++
			for j := range testWidth {
				sum[k*testWidth+j] += float64(h[i*testWidth+j])
			}
		}
		for i := range want {
			want[i] = keep*want[i] + (1-keep)*sum[i]/count[i/testWidth]
		}
	}
	for round := range 2 {
		if !head.NeedsRepresentations(2 + round) {
			t.Fatalf("epoch %d needs no refresh", 2+round)
		}
		if err := head.Refresh(2+round, h); err != nil {
			t.Fatal(err)
		}
		if head.NeedsRepresentations(2 + round) {
			t.Error("refreshed twice in an epoch")
		}
		update(0.25*float64(round), h)
		compare(t, "prototypes", head.strata.codes(), narrow(want), 1e-5)
		h = slices.Clone(h)
		for i := range h {
			h[i] += float32(i % 3)
		}
	}
	if head.NeedsRepresentations(0) || head.NeedsRepresentations(1) {
		t.Error("the warm-up needs representations")
	}
}

// Constant dictionaries do not move in training; a learnable one does.
func TestDictionary_gradientFlowsOnlyIntoLearnable(t *testing.T) {
	for _, variant := range []string{"md_warmup", "nwgm", "nwgm_own", "md_kmeans_h", "nwgm_learnable"} {
		d := newTrainer(t, testConfig(t, variant, tasks["binary"]))
		for s := range 3 * testSteps {
			d.step(s, false)
		}
		entries := d.head.strata.z
		if n, ok := d.head.network.(*attention); ok && n.entries != nil {
			entries = n.entries.Value
		}
		before := slices.Clone(entries)
		b, rep := batchOf(d.head.cfg.Task, d.tr, d.h, []int32{1, 2, 3, 4})
		for range 3 {
			if _, err := d.head.Forward(rep, b, 2, 100); err != nil {
				t.Fatal(err)
			}
			if _, _, err := d.head.Backward(nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := !slices.Equal(before, entries), variant == "nwgm_learnable"; got != want {
			t.Errorf("%s: entries moved: %v, want %v", variant, got, want)
		}
	}
}

// A stratum that is not known from the pattern is averaged over.
func TestDictionary_observedStrataOfCovariateClusters(t *testing.T) {
	cfg := testConfig(t, "md_kmeans", tasks["binary"])
	tr, _ := testData(cfg.Task, 3)
	d := newHead(t, cfg, tr).strata
	got := d.observed([]uint64{7, 3}, nil, tr)
	for i, a := range []uint64{7, 3} {
		want := make([]float64, d.size)
		n := 0.0
		for j, b := range tr.Availability {
			if d.patterns.stratum(a) == d.patterns.stratum(b) {
				want[d.own[j]]++
				n++
			}
		}
		for k := range want {
			near(t, "share", got[i*d.size+k], want[k]/n, 1e-12)
		}
	}
}

func TestFitClusters_findsSeparatedGroups(t *testing.T) {
	r := rng.Stream(3, "clusters")
	centres := [][2]float64{{0, 0}, {10, 0}, {0, 10}, {10, 10}}
	const n = 6000 // more than a restart looks at
	rows := make([]float32, 0, 2*n)
	for i := range n {
		c := centres[i%4]
		rows = append(rows, float32(c[0]+0.3*r.NormFloat64()), float32(c[1]+0.3*r.NormFloat64()))
	}
	got := fitClusters(rows, 2, 4, rng.Stream(1, "dictionary"))
	for i := 4; i < n; i++ {
		if got.assign[i] != got.assign[i%4] {
			t.Fatalf("row %d is in cluster %d, its group in %d", i, got.assign[i], got.assign[i%4])
		}
	}
	near(t, "inertia per row", got.inertia/n, 2*0.09, 0.01)
	for k := range 4 {
		at := got.centres[2*got.assign[k]:]
		near(t, "centre", float64(at[0]), centres[k][0], 0.05)
		near(t, "centre", float64(at[1]), centres[k][1], 0.05)
	}
	// From the present centres, clusters keep their number.
	shifted := slices.Clone(rows)
	for i := range shifted {
		shifted[i] += 0.5
	}
	if again := lloyd(shifted, 2, got.centres); !slices.Equal(again.assign, got.assign) {
		t.Error("clusters were renumbered")
	}
}

// Twelve groups on a grid: one start of k-means often ends in a worse optimum,
// the best of ten does not.
func TestFitClusters_keepsTheBestOfItsRestarts(t *testing.T) {
	const n, k = 480, 12
	r := rng.Stream(7, "clusters")
	var rows []float32
	for i := range n {
		group := i % k
		rows = append(rows,
			float32(float64(group/3)+0.1*r.NormFloat64()),
			float32(float64(group%3)+0.1*r.NormFloat64()))
	}
	const bar = 1.2 * n * 2 * 0.01
	single := 0
	for seed := range uint64(20) {
		if got := fitClusters(rows, 2, k, rng.Stream(seed, "dictionary")); got.inertia > bar {
			t.Errorf("seed %d: inertia %v, want at most %v", seed, got.inertia, bar)
		}
		if lloyd(rows, 2, seedCentres(rows, 2, k, rng.Stream(seed, "one start"))).inertia > bar {
			single++
		}
	}
	if single < 4 {
		t.Errorf("only %d of 20 single starts fail: the test says nothing about restarts", single)
	}
}

// k-means++ draws a row in proportion to its squared distance from the centres
// that there are.
func TestSeedCentres_farRowsFirst(t *testing.T) {
	rows := []float32{0, 0, 0, 0, 0, 0, 0, 0, 1, 3} // squared distances 1 and 9
	far := 0.0
	const draws = 4000
	from := 0.0
	r := rng.Stream(9, "seeds")
	for range draws {
		centres := seedCentres(rows, 1, 2, r)
		if centres[0] != 0 {
			continue
		}
		from++
		if centres[1] == 0 {
			t.Fatal("a row at distance 0 was drawn")
		}
		if centres[1] == 3 {
			far++
		}
	}
	near(t, "share of the far row", far/from, 0.9, 0.02)
}

// Lloyd's iterations go on until nothing changes, at most 100 times.
func TestLloyd_iteratesToTheEnd(t *testing.T) {
	// Two far starting centres creep along a line.
	var rows []float32
	for i := range 300 {
		rows = append(rows, float32(i))
	}
	got := lloyd(rows, 1, []float32{0, 1})
	near(t, "first centre", float64(got.centres[0]), 74.5, 1)
	near(t, "second centre", float64(got.centres[1]), 224.5, 1)
}

func TestFitClusters_fewerValuesThanClusters(t *testing.T) {
	got := fitClusters([]float32{1, 1, 2, 2, 1, 2}, 1, 4, rng.Stream(1, "dictionary"))
	if got.inertia != 0 || got.assign[0] != got.assign[1] || got.assign[0] == got.assign[2] {
		t.Errorf("got %+v", got)
	}
	for _, v := range got.centres {
		if math.IsNaN(float64(v)) {
			t.Errorf("centres %v", got.centres)
		}
	}
}

// A refresh period counts from the end of the warm-up.
func TestDictionary_refreshPeriod(t *testing.T) {
	for variant, want := range map[string][]bool{
		"md":             {false, false, false, false, false, false}, // one-hot codes of patterns need no h
		"md_kmeans":      {false, false, false, false, false, false}, // nor do clusters of covariates
		"md_kmeans_h":    {false, true, false, true, false, true},    // warm-up of 1, refresh every 2
		"md_warmup":      {false, false, true, true, true, true},
		"nwgm_learnable": {false, false, false, false, false, false},
		"nwgm_init":      {false, true, false, false, false, false}, // its initial value only
	} {
		cfg := testConfig(t, variant, tasks["binary"])
		tr, h := testData(cfg.Task, 3)
		head := newHead(t, cfg, tr)
		for epoch, needs := range want {
			if got := head.NeedsRepresentations(epoch); got != needs {
				t.Errorf("%s: epoch %d needs representations: %v, want %v", variant, epoch, got, needs)
			}
			if needs {
				if err := head.Refresh(epoch, h); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// A learnable dictionary has K entries of scale 1/sqrt(width) and a uniform
// prior; by k-means it starts at the centres of h.
func TestDictionary_learnable(t *testing.T) {
	cfg := testConfig(t, "nwgm_learnable", tasks["binary"])
	cfg.Width, cfg.Missingness.Clusters = 50, 200
	tr, _ := testData(cfg.Task, 3)
	head := newHead(t, cfg, tr)
	for _, p := range head.strata.prior {
		near(t, "prior", p, 1.0/200, 1e-12)
	}
	square := 0.0
	for _, v := range head.network.(*attention).entries.Value {
		square += float64(v) * float64(v) / (200 * 50)
	}
	near(t, "mean square of the entries", square, 1.0/50, 0.001)

	cfg = testConfig(t, "nwgm_init", tasks["binary"])
	tr, h := testData(cfg.Task, 3)
	head = newHead(t, cfg, tr)
	if err := head.Refresh(1, h); err != nil {
		t.Fatal(err)
	}
	want := fitClusters(h, testWidth, 4, rng.Stream(cfg.Seed, "dictionary")).centres
	compare(t, "initial entries", head.network.(*attention).entries.Value, want, 0)
}

// class_pattern has the mean of h and the share of rows of every pattern and
// class that occur together.
func TestDictionary_classPattern(t *testing.T) {
	cfg := testConfig(t, "nwgm_raw", tasks["multiclass"])
	tr, h := testData(cfg.Task, 3)
	head := newHead(t, cfg, tr)
	if err := head.Refresh(1, h); err != nil {
		t.Fatal(err)
	}
	d := head.strata
	for k, cell := range d.cells {
		n, sum := 0.0, make([]float64, testWidth)
		for i, a := range tr.Availability {
			if d.patterns.stratum(a) == cell[0] && int32(tr.Labels[i]) == cell[1] {
				n++
				for j := range sum {
					sum[j] += float64(h[i*testWidth+j])
				}
			}
		}
		for j := range sum {
			sum[j] /= n
		}
		near(t, "share", d.prior[k], n/testRows, 1e-12)
		compare(t, "mean", d.z[k*testWidth:(k+1)*testWidth], narrow(sum), 1e-5)
	}
}
