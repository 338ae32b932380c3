package train_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/rng"
)

// erasures opens a run and answers what the backbone is asked to erase.
type erasures struct {
	opener
	modalities []sdk.Modality
}

func (e *erasures) OpenBackbone(ctx context.Context, req sdk.OpenRequest) (sdk.BackboneSession, error) {
	e.modalities = req.Modalities
	return e.opener.OpenBackbone(ctx, req)
}

// The marker is erased, and the age, a covariate, is not; the lab has nothing to do
// with who is examined, and everybody has the base modality.
func TestRun_erasesAtTheInputOfTheBackbone(t *testing.T) {
	d := data(t, marked(t, 400, func(int, *patient) {}))
	for _, test := range []struct {
		mechanism, predict string
		directions         int
		verdict, reason    string
	}{
		{"confounder", "marginal", 1, "ok", ""},
		{"label", "drop", 1, "ok", ""},
		{"self", "marginal", 0, "", "depend on the values themselves"},
	} {
		var err error
		cfg := config(2)
		if cfg.DualBranch, err = causal.ParseDualBranch(map[string]any{"split": "availability", "mechanism": test.mechanism, "predict": test.predict}); err != nil {
			t.Fatal(err)
		}
		e := &erasures{}
		run, err := train.Open(t.Context(), cfg, d, train.Plugins{Opener: e, Backbone: fusionInfo})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Slice(t.Context(), points{}, func() bool { return false }); err != nil {
			t.Fatal(err)
		}
		outcome, err := run.Test(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		base, lab, exam := e.modalities[0].Scaling.Erasure, e.modalities[1].Scaling.Erasure, e.modalities[2].Scaling.Erasure
		if exam.Directions != test.directions || lab.Directions != 0 || base.Directions != 0 {
			t.Errorf("%s: erases %+v, %+v and %+v", test.mechanism, base, lab, exam)
		}
		if len(outcome.Diagnostics) != 4 {
			t.Fatalf("%s: got %+v", test.mechanism, outcome.Diagnostics)
		}
		if whole := outcome.Diagnostics[0]; whole.Name != "availability_mechanism" || whole.Detail["mechanism"] != test.mechanism || whole.Detail["reason"] == "" {
			t.Errorf("%s: got %+v", test.mechanism, whole)
		}
		all, other, got := outcome.Diagnostics[1], outcome.Diagnostics[2], outcome.Diagnostics[3]
		if reason := fmt.Sprint(all.Detail["reason"]); all.Estimate != 0 || !strings.HasPrefix(reason, "everybody has the modality") {
			t.Errorf("%s: got %+v", test.mechanism, all)
		}
		reason, _ := got.Detail["reason"].(string)
		if got.Name != "availability_split/exam" || got.Verdict != test.verdict || !strings.Contains(reason, test.reason) ||
			got.Detail["directions"] != test.directions || got.Detail["mechanism"] != test.mechanism {
			t.Errorf("%s: got %+v", test.mechanism, got)
		}
		if other.Name != "availability_split/lab" || other.Estimate != 0 || other.Detail["reason"] == nil {
			t.Errorf("%s: got %+v", test.mechanism, other)
		}
		if test.directions == 0 {
			continue
		}
		singular := got.Detail["singular_values"].([]float64)
		if !(singular[0] > got.Detail["threshold"].(float64)) || !(got.Estimate > 0.2 && got.Estimate < 0.6) {
			t.Errorf("%s: got %+v", test.mechanism, got)
		}
		if marker, age := math.Abs(float64(exam.Write[0])), math.Abs(float64(exam.Write[1])); !(marker > 5*age) {
			t.Errorf("%s: erases %v of the marker and %v of the age", test.mechanism, marker, age)
		}
	}
}

// At the head nothing is erased, and the network form finds the marker as well; a
// second run finds the same.
func TestRun_partsAtTheHead(t *testing.T) {
	d := data(t, marked(t, 600, func(int, *patient) {}))
	var before []train.Prediction
	for range 2 {
		var err error
		cfg := config(4)
		if cfg.DualBranch, err = causal.ParseDualBranch(map[string]any{"split": "availability", "mechanism": "confounder", "form": "network"}); err != nil {
			t.Fatal(err)
		}
		e := &erasures{}
		run, err := train.Open(t.Context(), cfg, d, train.Plugins{Opener: e, Backbone: fusionInfo})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range e.modalities {
			if m.Scaling.Erasure.Directions != 0 {
				t.Errorf("%s: erases %+v", m.Name, m.Scaling.Erasure)
			}
		}
		if _, err := run.Slice(t.Context(), points{}, func() bool { return false }); err != nil {
			t.Fatal(err)
		}
		outcome, err := run.Test(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := outcome.Diagnostics[3]; got.Name != "availability_split/exam" || got.Detail["directions"] != 1 {
			t.Errorf("got %+v", got)
		}
		if before != nil && !slices.Equal(before, outcome.Predictions) {
			t.Error("two runs of one seed differ")
		}
		before = outcome.Predictions
	}
}

func TestRun_partsByADeclaredEnvironmentOnly(t *testing.T) {
	var err error
	cfg := config(2)
	if cfg.DualBranch, err = causal.ParseDualBranch(map[string]any{"split": "environment", "mechanism": "confounder"}); err != nil {
		t.Fatal(err)
	}
	_, err = train.Open(t.Context(), cfg, data(t, marked(t, 100, func(int, *patient) {})), train.Plugins{Opener: &erasures{}, Backbone: fusionInfo})
	if err == nil || !strings.Contains(err.Error(), "needs rows.environment in dataset.toml") {
		t.Errorf("got %v", err)
	}
}

// A backbone that does not promise to erase is refused, not left as it is.
func TestRun_refusesABackboneThatDoesNotErase(t *testing.T) {
	capabilities := sdk.Capabilities{}
	modalities := []sdk.Modality{{Name: "base", Kind: sdk.Tabular, Width: 1, Scaling: sdk.Scaling{Erasure: sdk.Erasure{Directions: 1}}}}
	err := capabilities.Accepts(sdk.Task{Kind: sdk.Binary}, modalities)
	if sdk.CodeOf(err) != sdk.CodeUnsupported || !strings.Contains(err.Error(), "does not declare that it applies them") {
		t.Errorf("got %v", err)
	}
	var info sdk.InfoResponse
	if err := backbone.New(fusionInfo, newFusion).Info(t.Context(), sdk.InfoRequest{}, &info); err != nil || !info.Info.Capabilities.Erasure {
		t.Errorf("a backbone of the SDK: got %+v, %v", info.Info.Capabilities, err)
	}
}

// The steps of a sequence are averaged within its length.
func TestRun_partsSequencesByTheirMean(t *testing.T) {
	store := sequences(t, 300)
	split := data(t, store)
	var err error
	cfg := config(2)
	if cfg.DualBranch, err = causal.ParseDualBranch(map[string]any{"split": "availability", "mechanism": "confounder"}); err != nil {
		t.Fatal(err)
	}
	e := &erasures{}
	run, err := train.Open(t.Context(), cfg, split, train.Plugins{Opener: e, Backbone: fusionInfo})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close(t.Context())
	m := e.modalities[1]
	if m.Kind != sdk.Sequence || m.Scaling.Erasure.Directions != 1 || len(m.Scaling.Erasure.Read) != m.Width {
		t.Errorf("got %+v", m)
	}
}

// sequences is a cohort whose lab is measured if the visits, one to four a
// patient, had high values; every tenth patient has no visit.
func sequences(t *testing.T, n int) *dataset.Store {
	t.Helper()
	dir := t.TempDir()
	var table, visits strings.Builder
	table.WriteString("id,age,lab,label\n")
	visits.WriteString("id,day,value\n")
	for i := range n {
		r := rng.Stream(5, "patient", i)
		u, lab, label := r.NormFloat64(), "", 0
		if u+r.NormFloat64() > 0 {
			lab = fmt.Sprint(r.NormFloat64())
		}
		if u+r.NormFloat64() > 0.5 {
			label = 1
		}
		fmt.Fprintf(&table, "p%d,%v,%s,%d\n", i, r.NormFloat64(), lab, label)
		for day := range r.IntN(4) + 1 {
			if i%10 != 0 {
				fmt.Fprintf(&visits, "p%d,%d,%v\n", i, day, u+0.5*r.NormFloat64())
			}
		}
	}
	write(t, filepath.Join(dir, "table.csv"), table.String())
	write(t, filepath.Join(dir, "visits.csv"), visits.String())
	write(t, filepath.Join(dir, "dataset.toml"), `
version = 1
name = "sequences"
covariates = ["age"]
[[table]]
file = "table.csv"
[[table]]
file = "visits.csv"
key = "id"
long = true
[rows]
id = "id"
[label]
task = "binary"
column = "label"
[[modality]]
name = "lab"
columns = ["lab"]
[[modality]]
name = "visits"
kind = "sequence"
table = "visits"
time = "day"
length = 3
columns = ["value"]
[[modality]]
name = "base"
always = true
columns = ["age"]
`)
	source, err := dataset.Load(filepath.Join(dir, "dataset.toml"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := dataset.Build(source, t.TempDir(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// The label alone drives who is measured, against the declaration: the run is the
// one without dual branch, wherever it would have had its part.
func TestRun_leavesRowsThatContradictTheMechanism(t *testing.T) {
	d := data(t, marked(t, 2000, func(i int, p *patient) {
		r := rng.Stream(8, "by label", i)
		p.marker = r.NormFloat64() + 1.5*float64(p.label)
		p.measured = r.Float64() < 0.3+0.6*float64(p.label)
	}))
	missingness, err := causal.ParseMissingness(map[string]any{"mode": "enumerate"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(4)
	cfg.Missingness = missingness
	want, _ := finish(t, cfg, d, &opener{}, cfg.Epochs)
	for _, at := range []string{"input", "head"} {
		settings := map[string]any{"split": "availability", "mechanism": "confounder", "at": at, "predict": "marginal"}
		if cfg.DualBranch, err = causal.ParseDualBranch(settings); err != nil {
			t.Fatal(err)
		}
		got, _ := finish(t, cfg, d, &opener{}, cfg.Epochs)
		if whole := got.Diagnostics[0]; whole.Verdict != "warn" || !strings.Contains(fmt.Sprint(whole.Detail["reason"]), `declare mechanism = "label"`) {
			t.Fatalf("%s: got %+v", at, whole)
		}
		if !slices.Equal(got.Predictions, want.Predictions) {
			t.Errorf("%s: predictions are not those of the run without dual branch", at)
		}
	}
}
