package sweeps

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

func TestPlan_SiteSplit(t *testing.T) {
	p := compile(t, edit(t, demo(t), `scheme = "holdout", by = "patient"`, `scheme = "site", source = ["North Wing"], target = ["b"]`, `["flip"]`, `["flip:labs"]`))
	got := next(t, p, nil)[0]
	want := Split{Scheme: "site", By: "patient", Fractions: []float64{0.6, 0.2, 0.2}, Test: TestFixed, Source: []string{"North Wing"}, Target: []string{"b"}}
	if diff := cmp.Diff(want, got.Split); diff != "" || got.Shifts[0] != "flip:labs" {
		t.Errorf("(-want +got):\n%s%v", diff, got.Shifts)
	}
}

// Only a fixed test set, or a target that the seed does not pick, keeps the search
// of one seed from the test rows of another.
func TestSplit_TestsAnew(t *testing.T) {
	for _, c := range []struct {
		split string
		want  bool
	}{
		{`scheme = "holdout"`, false}, {`scheme = "holdout", test = "fixed"`, false}, {`scheme = "holdout", test = "per_seed"`, true},
		{`scheme = "kfold"`, true}, {`scheme = "time"`, false}, {`scheme = "site"`, true}, {`scheme = "site", target = ["a"]`, false},
	} {
		p := compile(t, edit(t, demo(t), `scheme = "holdout", by = "patient", fractions = [0.6, 0.2, 0.2]`, c.split))
		if got := p.Cells[0].Trials[0].Base.Split.TestsAnew(); got != c.want {
			t.Errorf("%s: got %v, want %v", c.split, got, c.want)
		}
	}
}
