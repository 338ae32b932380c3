package stats

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is measured together has the bits of what is measured alone.
func TestTogether_SameBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n, arms = 300, 6
	task, rows := Task{Kind: Binary}, sequence(n)
	samples := make([]Sample, arms)
	for a := range samples {
		s := Sample{Labels: make([]float64, n), Scores: make([]float64, n), Truth: make([]float64, n)}
		for i := range n {
			if i%3 == 0 {
				s.Labels[i] = 1
			}
			if i == 7 {
				s.Labels[i] = math.NaN()
			}
			s.Scores[i], s.Truth[i] = r.Float64(), r.Float64()
			if a%2 == 0 {
				s.Scores[i] = math.Round(20*s.Scores[i]) / 20 // ties
			}
		}
		samples[a] = s
	}
	for _, metric := range samples[0].Metrics() {
		if metric == MetricCalibrationSlope || metric == MetricCalibrationIntercept {
			continue // no better direction, so never compared
		}
		g, ok, err := newArms(targetOverall, task, metric, samples, rows)
		if err != nil || !ok {
			t.Fatal(metric, ok, err)
		}
		for _, whole := range []bool{true, false} {
			w := rowWeights{float: make([]float64, n), counts: make([]int32, n), whole: whole}
			for range 20 {
				for i := range n {
					w.counts[i] = int32(r.IntN(4))
					w.float[i] = float64(w.counts[i])
					if !whole {
						w.float[i] *= 0.3
					}
				}
				got := make([]float64, arms)
				together(g.arms).values(w, got)
				for a, e := range g.arms {
					if want := e.value(w.float); math.Float64bits(got[a]) != math.Float64bits(want) {
						t.Fatalf("%s of arm %d: %v together, %v alone", metric, a, got[a], want)
					}
				}
			}
		}
	}
}

func TestOrder_SameBitsAsAUROC(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	scores, labels := make([]float64, 200), make([]float64, 200)
	for i := range scores {
		scores[i] = math.Round(50*r.Float64()) / 50
	}
	order := NewOrder(scores)
	for range 50 {
		for i := range labels {
			labels[i] = float64(r.IntN(2))
		}
		if got, want := order.AUROC(labels), AUROC(scores, labels, nil); math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	clear(labels)
	labels[3] = math.NaN()
	for name, got := range map[string]float64{
		"one class": order.AUROC(make([]float64, 200)), "an unknown label": order.AUROC(labels), "no score": NewOrder([]float64{1, math.NaN()}).AUROC([]float64{0, 1}),
	} {
		if !math.IsNaN(got) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A table has the same bits on one processor and on several, and whatever other
// variants are compared beside it.
func TestCompare_SameBitsInAnyCompany(t *testing.T) {
	in := Input{Task: Task{Kind: Binary}, Metric: MetricAUROC, Baseline: "erm", Seed: 1, Bootstrap: Bootstrap{Resamples: 150}}
	r := rand.New(rand.NewPCG(5, 6))
	for _, variant := range []string{"erm", "md", "db", "ipw"} {
		c := Cell{Dataset: "d", Backbone: "b", Variant: variant}
		for seed := range int64(3) {
			run := Run{Seed: seed}
			for i := range int64(120) {
				if variant == "ipw" && i == 5 {
					continue // matched on other rows than the rest
				}
				run.Units, run.Labels = append(run.Units, i), append(run.Labels, float64(i%2))
				run.Scores, run.Patterns = append(run.Scores, r.Float64()), append(run.Patterns, []string{"base", "base+labs"}[i/60])
			}
			c.Runs = append(c.Runs, run)
		}
		in.Cells = append(in.Cells, c)
	}
	all, err := Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.GOMAXPROCS(1)
	alone, err := Compare(in)
	runtime.GOMAXPROCS(before)
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b Number) bool { return math.Float64bits(float64(a)) == math.Float64bits(float64(b)) })
	if d := cmp.Diff(all, alone, same); d != "" {
		t.Errorf("on one processor:\n%s", d)
	}
	in.Cells = slices.Concat(in.Cells[:1], in.Cells[2:3])
	pair, err := Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	got, want := pair.Rows[1].Overall.Difference, all.Rows[2].Overall.Difference
	if got.Low != want.Low || got.High != want.High || got.P != want.P || !got.Low.Defined() {
		t.Errorf("db beside erm alone: %v, beside others: %v", got, want)
	}
}
