package sweeps

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/deconfound/deconfound/tracker"
)

func demo(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/good/demo.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// edit replaces each old text, which must occur, by the new one.
func edit(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("%q does not occur in the sweep", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

func compile(t testing.TB, text string) *Plan {
	t.Helper()
	file, err := Parse("sweep.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Compile(file, fakeCatalog{})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func next(t testing.TB, p *Plan, results map[Hash]Result) []RunSpec {
	t.Helper()
	specs, err := p.Next(results)
	if err != nil {
		t.Fatal(err)
	}
	return specs
}

func hashOf(t testing.TB, s RunSpec) Hash {
	t.Helper()
	h, err := s.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// everything runs a plan to its end with the given values of the search runs
// and returns all specs by hash.
func everything(t testing.TB, p *Plan, value func(RunSpec) Result) map[Hash]RunSpec {
	t.Helper()
	results, specs := map[Hash]Result{}, map[Hash]RunSpec{}
	for {
		before := len(specs)
		for _, s := range next(t, p, results) {
			h := hashOf(t, s)
			specs[h], results[h] = s, value(s)
		}
		if len(specs) == before {
			return specs
		}
	}
}

func doneWith(v float64) func(RunSpec) Result {
	return func(RunSpec) Result { return Result{State: tracker.Done, Value: v} }
}

func TestPlan_Demo(t *testing.T) {
	p := compile(t, demo(t))
	if got, want := len(p.Cells), 8; got != want {
		t.Fatalf("got %d cells, want %d", got, want)
	}
	if got, want := len(next(t, p, nil)), 8*4; got != want {
		t.Errorf("got %d search runs, want %d", got, want)
	}
	if got, want := len(everything(t, p, doneWith(0.7))), 8*4+8*3; got != want {
		t.Errorf("got %d runs in all, want %d", got, want)
	}
	text, err := json.MarshalIndent(next(t, p, nil)[4*7], "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/good/demo_run.json", string(text)+"\n")
}

func TestPlan_Replicates(t *testing.T) {
	p := compile(t, edit(t, demo(t),
		"[search]\nmethod = \"random\"\ntrials = 4\nseed = 1\n", "",
		`"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-2 }`, `"optimizer.lr" = { value = 0.02 }`))
	specs := next(t, p, nil)
	if got, want := len(specs), 8*3; got != want {
		t.Fatalf("got %d runs, want %d", got, want)
	}
	for _, s := range specs {
		if lr, _ := s.Optimizer.Float("lr"); lr != 0.02 || s.Phase != PhaseReplicate || s.SplitSeed != s.InitSeed {
			t.Errorf("got lr %v, phase %s, seeds %d and %d", lr, s.Phase, s.SplitSeed, s.InitSeed)
		}
	}
}

func TestPlan_Exclude(t *testing.T) {
	p := compile(t, edit(t, demo(t), `"md_db", "ipw"]`, `"md_db", "ipw"]
exclude = [{ backbone = "transformer", variant = "md" }, { variant = "ipw", why = "no groups" }]`))
	var got []string
	for _, c := range p.Cells {
		got = append(got, c.Cell.String())
	}
	want := []string{"nafld/concat/erm", "nafld/concat/md", "nafld/concat/md_db", "nafld/transformer/erm", "nafld/transformer/md_db"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPlan_ParametersApplyWhereDeclared(t *testing.T) {
	p := compile(t, edit(t, demo(t), "[replicates]", `"backbone.layers" = { distribution = "int_uniform", min = 1, max = 4 }
"strategy.clip" = { values = [5, 20] }
"missingness.rate" = { distribution = "uniform", min = 0, max = 0.5, step = 0.1, when = "variant != 'md'" }
"head.hidden" = { distribution = "log_uniform", min = 8, max = 64, step = 8 }
"dual_branch.swap_weight" = { distribution = "uniform", min = 0, max = 15, when = "dual_branch and strategy == ''" }
[replicates]`))
	for _, s := range next(t, p, nil) {
		want := []string{"head.hidden", "optimizer.lr"}
		if s.Backbone.Name == "transformer" {
			want = append(want, "backbone.layers")
		}
		switch s.Variant {
		case "ipw":
			want = append(want, "strategy.clip")
		case "md_db":
			want = append(want, "missingness.rate", "dual_branch.swap_weight")
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(s.Parameters))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.Cell(), diff)
		}
		if hidden, ok := s.Head.Int("hidden"); !ok || hidden%8 != 0 {
			t.Errorf("got head.hidden %v, want a multiple of 8", s.Head["hidden"])
		}
	}
}

// Whatever is added to a sweep, runs that it does not concern keep their hash,
// and sampled values stay what they were.
func TestPlan_AddingLeavesTheRestUnchanged(t *testing.T) {
	before := compile(t, demo(t))
	old := everything(t, before, doneWith(0.7))
	for name, change := range map[string][]string{
		"backbone": {`"concat", "transformer"`, `"gated", "concat", "transformer"`},
		"dataset":  {`["nafld"]`, `["support2", "nafld"]`},
		"seed":     {"[0, 1, 2]", "[7, 0, 1, 2]"},
		"trials":   {"trials = 4", "trials = 6"},
		"variant":  {`variant  = ["erm"`, `variant  = ["dro", "erm"`, "[variants.erm]", "[variants.dro]\nstrategy = \"groupdro\"\n[variants.erm]"},
		"analysis": {`baseline = { variant = "erm" }`, `tests = ["wilcoxon"]`},
		"slices":   {"[run]", "[run]\nslice = \"5s\"\nretry = { max = 1, on = [\"oom\"] }"},
	} {
		t.Run(name, func(t *testing.T) {
			after := everything(t, compile(t, edit(t, demo(t), change...)), doneWith(0.7))
			for h, s := range old {
				if _, ok := after[h]; !ok {
					t.Fatalf("run %s %s trial %d has another hash", s.Cell(), s.Phase, s.Trial)
				}
			}
		})
	}
	t.Run("parameter", func(t *testing.T) {
		after := everything(t, compile(t, edit(t, demo(t), "[parameters]",
			"[parameters]\n\"backbone.dropout\" = { values = [0.1, 0.3], when = \"backbone == 'transformer'\" }")), doneWith(0.7))
		for h, s := range old {
			_, ok := after[h]
			if want := s.Backbone.Name == "concat"; ok != want {
				t.Errorf("run %s trial %d: got the same hash %v, want %v", s.Cell(), s.Trial, ok, want)
			}
		}
		for _, s := range after {
			lr := s.Optimizer["lr"]
			if !slices.ContainsFunc(slices.Collect(maps.Values(old)), func(o RunSpec) bool {
				return o.Cell() == s.Cell() && o.Trial == s.Trial && o.Optimizer["lr"] == lr
			}) {
				t.Errorf("%s trial %d: sampled lr %v changed", s.Cell(), s.Trial, lr)
			}
		}
	})
}

func TestPlan_SameFileTwice(t *testing.T) {
	a, b := compile(t, demo(t)), compile(t, demo(t))
	if a.Hash != b.Hash || a.AnalysisHash != b.AnalysisHash {
		t.Error("the same file gives two plans")
	}
	x, y := everything(t, a, doneWith(0.5)), everything(t, b, doneWith(0.5))
	if diff := cmp.Diff(x, y); diff != "" {
		t.Errorf("the same file gives other runs:\n%s", diff)
	}
	c := compile(t, edit(t, demo(t), "epochs = 20", "epochs = 21"))
	if a.Hash == c.Hash || a.AnalysisHash != c.AnalysisHash {
		t.Error("epochs must change the plan and not the analysis")
	}
	d := compile(t, edit(t, demo(t), `variant = "erm" }`, `variant = "md" }`))
	if a.AnalysisHash == d.AnalysisHash {
		t.Error("another baseline must change the analysis")
	}
}

func TestNext_Winner(t *testing.T) {
	nan := math.NaN()
	for name, tc := range map[string]struct {
		goal    string
		results []Result // by trial
		want    int      // -1: no replicates
	}{
		"best":                {"maximize", []Result{{tracker.Done, 0.7}, {tracker.Done, 0.9}, {tracker.Done, 0.8}, {tracker.Done, 0.1}}, 1},
		"minimize":            {"minimize", []Result{{tracker.Done, 0.7}, {tracker.Done, 0.9}, {tracker.Done, 0.8}, {tracker.Done, 0.1}}, 3},
		"ties to the lower":   {"maximize", []Result{{tracker.Done, 0.7}, {tracker.Done, 0.9}, {tracker.Done, 0.9}, {tracker.Done, 0.9}}, 1},
		"failed never wins":   {"maximize", []Result{{tracker.Done, 0.7}, {tracker.Failed, 0.9}, {tracker.Cancelled, 0.9}, {tracker.Done, 0.1}}, 0},
		"NaN never wins":      {"maximize", []Result{{tracker.Done, nan}, {tracker.Done, nan}, {tracker.Done, 0.2}, {tracker.Done, nan}}, 2},
		"all failed":          {"maximize", []Result{{tracker.Failed, 0}, {tracker.Failed, 0}, {tracker.Failed, 0}, {tracker.Failed, 0}}, -1},
		"all undefined":       {"maximize", []Result{{tracker.Done, nan}, {tracker.Done, nan}, {tracker.Done, nan}, {tracker.Done, nan}}, -1},
		"one is still queued": {"maximize", []Result{{tracker.Done, 1}, {tracker.Done, 1}, {tracker.Queued, 0}, {tracker.Done, 1}}, -1},
		"one runs":            {"maximize", []Result{{tracker.Done, 1}, {tracker.Done, 1}, {tracker.Running, 0}, {tracker.Done, 1}}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			text := edit(t, demo(t), `["concat", "transformer"]`, `["concat"]`, `["erm", "md", "md_db", "ipw"]`, `["erm"]`)
			if tc.goal == "minimize" {
				text = edit(t, text, "val/auroc", "val/log_loss")
			}
			p := compile(t, text)
			results := map[Hash]Result{}
			for i, s := range next(t, p, nil) {
				results[hashOf(t, s)] = tc.results[i]
			}
			var got []int
			for _, s := range next(t, p, results) {
				if s.Phase == PhaseReplicate {
					got = append(got, s.Trial)
				}
			}
			var want []int
			if tc.want >= 0 {
				want = []int{tc.want, tc.want, tc.want}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("trials of the replicates (-want +got):\n%s", diff)
			}
			winners, err := p.Winners(results)
			if err != nil || (len(winners) == 1) != (tc.want >= 0) {
				t.Errorf("got winners %v, %v", winners, err)
			}
		})
	}
}

// A failed cell does not hold back the others, and replicate s has the same
// seeds in every cell.
func TestNext_CellsAreIndependent(t *testing.T) {
	p := compile(t, demo(t))
	specs := everything(t, p, func(s RunSpec) Result {
		if s.Variant == "md" {
			return Result{State: tracker.Failed}
		}
		return Result{State: tracker.Done, Value: float64(s.Trial)}
	})
	seeds := map[Cell][]int{}
	for _, s := range specs {
		if s.Phase == PhaseReplicate {
			if s.Trial != 3 {
				t.Errorf("%s: got trial %d, want 3", s.Cell(), s.Trial)
			}
			seeds[s.Cell()] = append(seeds[s.Cell()], s.SplitSeed)
		}
	}
	if len(seeds) != 6 {
		t.Errorf("got replicates in %d cells, want 6", len(seeds))
	}
	for cell, got := range seeds {
		slices.Sort(got)
		if diff := cmp.Diff([]int{0, 1, 2}, got); diff != "" {
			t.Errorf("%s: %s", cell, diff)
		}
	}
}

func TestGrid(t *testing.T) {
	p := compile(t, edit(t, demo(t), "method = \"random\"\ntrials = 4", `method = "grid"`,
		`"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-2 }`,
		`"optimizer.lr" = { values = [0.1, 0.01, 0.001] }
"head.dropout" = { distribution = "uniform", min = 0, max = 0.3, step = 0.1 }
"backbone.layers" = { distribution = "int_uniform", min = 1, max = 2 }
"optimizer.beta1" = { value = 0.8 }`))
	for _, c := range p.Cells {
		want := 12
		if c.Cell.Backbone == "transformer" {
			want = 24
		}
		if len(c.Trials) != want {
			t.Errorf("%s: got %d trials, want %d", c.Cell, len(c.Trials), want)
		}
	}
	got := p.Cells[0].Trials[1].Base.Parameters
	if diff := cmp.Diff(Settings{"head.dropout": 0.0, "optimizer.beta1": 0.8, "optimizer.lr": 0.01}, got); diff != "" {
		t.Errorf("second trial (-want +got):\n%s", diff)
	}
	if last := p.Cells[0].Trials[11].Base.Parameters["head.dropout"]; last != 0.3 {
		t.Errorf("got the last dropout %v, want 0.3", last)
	}
	if s := p.Summarize(nil, 1); s.Equal {
		t.Error("cells with 12 and 24 trials must not count as an equal budget")
	}
}

func TestRandom_RepetitionsAreLeftOut(t *testing.T) {
	p := compile(t, edit(t, demo(t), "trials = 4", "trials = 40",
		`{ distribution = "log_uniform", min = 1e-4, max = 1e-2 }`, `{ values = [0.1, 0.01] }`))
	for _, c := range p.Cells {
		if len(c.Trials) != 2 || c.Budget != 40 || c.Trials[0].Number != 0 {
			t.Errorf("%s: got %d trials of %d", c.Cell, len(c.Trials), c.Budget)
		}
	}
}

func TestSettings_JSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{}
		for i, n := 0, rapid.IntRange(0, 5).Draw(t, "n"); i < n; i++ {
			var v any
			switch rapid.IntRange(0, 3).Draw(t, "type") {
			case 0:
				v = rapid.Float64().Draw(t, "f")
			case 1:
				v = rapid.Int64().Draw(t, "i")
			case 2:
				v = rapid.Bool().Draw(t, "b")
			default:
				v = rapid.String().Draw(t, "s")
			}
			s[rapid.StringMatching(`[a-z]{1,6}`).Draw(t, "key")] = v
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Settings
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(s, back) {
			t.Fatalf("got %v, want %v", back, s)
		}
	})
	for _, v := range []any{math.NaN(), math.Inf(1), []int{1}, int32(2)} {
		if _, err := json.Marshal(Settings{"x": v}); err == nil {
			t.Errorf("%v was encoded", v)
		}
	}
	for _, text := range []string{`{"x": null}`, `{"x": [1]}`, `3`, `{"x": 1e999}`} {
		var s Settings
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s was decoded", text)
		}
	}
}

func TestParseSpec(t *testing.T) {
	for _, s := range next(t, compile(t, demo(t)), nil) {
		text, err := s.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		var loose map[string]any // what a JSON store does to the order of keys
		if err := json.Unmarshal(text, &loose); err != nil {
			t.Fatal(err)
		}
		back, err := ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
	for _, text := range []string{`{`, `{"version": 99}`} {
		if _, err := ParseSpec([]byte(text)); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

func TestDistribution_At(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(1e-6, 10).Draw(t, "min")
		d := Distribution{
			Kind: rapid.SampledFrom([]string{"uniform", "log_uniform"}).Draw(t, "kind"),
			Min:  low, Max: low * rapid.Float64Range(1.5, 1e4).Draw(t, "factor"),
		}
		if rapid.Bool().Draw(t, "quantised") {
			d.Step = (d.Max - d.Min) / rapid.Float64Range(1, 50).Draw(t, "steps")
		}
		u := rapid.Float64Range(0, 1-1e-16).Draw(t, "u")
		x, ok := toFloat(d.At(u))
		if !ok || x < d.Min*(1-1e-11) || x > d.Max*(1+1e-11) {
			t.Fatalf("got %v outside [%v, %v]", d.At(u), d.Min, d.Max)
		}
	})
	d := Distribution{Kind: "int_uniform", Min: 3, Max: 9, Step: 3}
	if diff := cmp.Diff([]any{int64(3), int64(6), int64(9)}, d.All()); diff != "" {
		t.Error(diff)
	}
	if got := []any{d.At(0), d.At(0.34), d.At(0.999)}; got[0] != int64(3) || got[1] != int64(6) || got[2] != int64(9) {
		t.Errorf("got %v", got)
	}
}

// Draws are uniform and independent of each other, roughly.
func TestDraw(t *testing.T) {
	sum, n := 0.0, 2000
	for i := range n {
		u := draw(1, Cell{"d", "b", "v"}, i, "p")
		if u < 0 || u >= 1 {
			t.Fatalf("got %v", u)
		}
		sum += u
	}
	if mean := sum / float64(n); math.Abs(mean-0.5) > 0.02 {
		t.Errorf("got mean %v, want 0.5", mean)
	}
	if draw(1, Cell{"ab", "c", "v"}, 0, "p") == draw(1, Cell{"a", "bc", "v"}, 0, "p") {
		t.Error("two cells share their draws")
	}
}

func TestSummarize(t *testing.T) {
	p := compile(t, demo(t))
	s := p.Summarize(map[Cell]time.Duration{
		{"nafld", "concat", "erm"}: 10 * time.Second, {"nafld", "concat", "md"}: 20 * time.Second,
	}, 2)
	if s.Search != 32 || s.Replicates != 24 || s.Runs != 56 || !s.Equal || s.Measured != 2 || len(s.Cells) != 8 {
		t.Errorf("got %+v", s)
	}
	// 7 runs in each cell: 10 s, 20 s, and six cells of 15 s.
	if want := (7*10 + 7*20 + 6*7*15) * time.Second / 2; s.Estimate != want {
		t.Errorf("got %s, want %s", s.Estimate, want)
	}
	if got := p.Summarize(nil, 0).Estimate; got != 0 {
		t.Errorf("got an estimate of %s from nothing", got)
	}
}

func TestDetectableDifference(t *testing.T) {
	// Tables of Student's t: t(0.975; 4) = 2.776445, t(0.8; 4) = 0.940965.
	want := (2.776445 + 0.940965) * 0.02 / math.Sqrt(5)
	if got := DetectableDifference(5, 0.02, 0.05, 0.8); math.Abs(got-want) > 1e-8 {
		t.Errorf("got %v, want %v", got, want)
	}
	if !math.IsNaN(DetectableDifference(1, 0.02, 0.05, 0.8)) {
		t.Error("one seed must detect nothing")
	}
}

func TestRetry(t *testing.T) {
	r := RetryPolicy{Max: 2, On: []string{"lost"}}
	if !r.Allows("lost", 1) || !r.Allows("lost", 2) || r.Allows("lost", 3) || r.Allows("nan", 1) {
		t.Error("lost must be retried twice, nan never")
	}
}

// Loading ends without a panic on any input.
func FuzzLoad(f *testing.F) {
	f.Add(demo(f))
	for _, dir := range []string{"positions", "parameters_when", "parameters_shape", "wrong_types", "exclude", "syntax"} {
		text, err := os.ReadFile("testdata/bad/" + dir + "/sweep.toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a = [[[1]],{b={c=1}}]\n[[x.y]]\n[x.y.z]\n\"\"\"=3")
	f.Fuzz(func(t *testing.T, text string) {
		scanPositions(text)
		if _, err := Parse("sweep.toml", []byte(text)); err != nil && err.Error() == "" {
			t.Fatal("an error without a message")
		}
	})
}

func TestLoad(t *testing.T) {
	if _, err := Load("testdata/good/demo.toml"); err != nil {
		t.Error(err)
	}
	if _, err := Load("testdata/good/absent.toml"); err == nil || !strings.Contains(err.Error(), "read sweep") {
		t.Errorf("got %v", err)
	}
}

func TestShipped(t *testing.T) {
	for name, want := range map[string]int{"nafld_demo.toml": 12*2 + 12*3, "quick.toml": 2 * 2} {
		text, err := Shipped.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := Compile(file, fakeCatalog{})
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.Summarize(nil, 1).Runs; got != want {
			t.Errorf("%s: got %d runs, want %d", name, got, want)
		}
	}
}

// A stored plan asks for the same runs as the one it was made from.
func TestPlan_JSON(t *testing.T) {
	p := compile(t, demo(t))
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if p.Hash != back.Hash || p.AnalysisHash != back.AnalysisHash || p.Slice != back.Slice {
		t.Error("hashes or the slice changed")
	}
	if diff := cmp.Diff(everything(t, p, doneWith(1)), everything(t, &back, doneWith(1))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"00", strings.Repeat("x", 64)} {
		var h Hash
		if err := h.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
