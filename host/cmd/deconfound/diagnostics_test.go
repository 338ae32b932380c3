package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// splitCohort is the bundled cohort, split; always in the same way, which the key
// of the installation decides.
func splitCohort(t testing.TB) train.Data {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "installation.key"), make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := home(dir).openDataset(t.Context(), "nafld")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	split, err := store.Split(dataset.SplitSpec{Scheme: "holdout"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return train.Data{Store: store, Split: split}
}

// predicted makes the outcome of a run that predicts the given probability for
// every test row, and another without the adjustment. A test set that is shifted
// must not enter.
func predicted(data train.Data, score, observed func(row int32) float64) train.Outcome {
	var out train.Outcome
	for _, set := range []string{"test", "flip"} {
		for _, row := range data.Split.Test {
			out.Predictions = append(out.Predictions, train.Prediction{
				TestSet: set, Unit: data.Store.UnitHash()[row], Class: 1, Label: data.Store.Labels()[row],
				Score: float32(score(row)), Observed: float32(observed(row)), Pattern: data.Store.Availability()[row], Weight: 1,
			})
		}
	}
	return out
}

func byName(list []tracker.Diagnostic) map[string]tracker.Diagnostic {
	out := map[string]tracker.Diagnostic{}
	for _, d := range list {
		out[d.Name] = d
	}
	return out
}

func TestDiagnostics_OfARun(t *testing.T) {
	data := splitCohort(t)
	var events, n [2]float64 // by whether fibrosis was measured
	fibrosis, _ := data.Store.Lookup("fibrosis")
	has := func(row int32) int { return int(data.Store.Availability()[row] >> fibrosis & 1) }
	for _, row := range data.Split.Test {
		n[has(row)]++
		events[has(row)] += float64(data.Store.Labels()[row])
	}
	overall := (events[0] + events[1]) / (n[0] + n[1])
	constant := func(int32) float64 { return overall }
	aware := func(row int32) float64 { return events[has(row)] / n[has(row)] }

	var o overlaps
	blind := byName(o.of(sweeps.RunSpec{Variant: "erm"}, data, predicted(data, constant, constant)))
	if d := blind["residual_confounding"]; d.Verdict != "fail" || !(d.P < 1e-6) {
		t.Errorf("a prediction that ignores the pattern: got %+v", d)
	}
	if _, ok := blind["interventional_gap"]; ok {
		t.Error("a gap of a variant that adjusts nothing")
	}
	if d := blind["positivity/lipid"]; d.Verdict != "fail" || !(d.Lo <= d.Estimate && d.Estimate <= d.Hi) {
		t.Errorf("got %+v", d)
	}
	if d := blind["effective_size/bp"]; d.Verdict != "ok" {
		t.Errorf("got %+v", d)
	}
	if _, ok := blind["positivity/base"]; ok {
		t.Error("positivity of a modality that everybody has")
	}
	var overlap struct {
		Histogram diagnose.Histogram
		Balance   []diagnose.Balance
	}
	for _, name := range []string{"positivity/lipid", "balance/lipid"} {
		if err := json.Unmarshal(blind[name].Detail, &overlap); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	lipid, _ := data.Store.Lookup("lipid")
	with := 0
	for _, row := range data.Split.Test {
		with += int(data.Store.Availability()[row] >> lipid & 1)
	}
	sum := func(counts []int) (n int) {
		for _, c := range counts {
			n += c
		}
		return n
	}
	if h := overlap.Histogram; sum(h.With) != with || sum(h.Without) != len(data.Split.Test)-with {
		t.Errorf("the histogram counts %v; %d of %d rows have lipid", h, with, len(data.Split.Test))
	}
	left := 0.
	for _, b := range overlap.Balance {
		left = max(left, math.Abs(float64(b.WeightedSMD)))
	}
	if d := blind["balance/lipid"]; len(overlap.Balance) == 0 || d.Estimate != left {
		t.Errorf("got %+v of %+v", d, overlap.Balance)
	}
	for name, d := range blind {
		var detail struct {
			N      int
			Reason string
		}
		if err := json.Unmarshal(d.Detail, &detail); err != nil || detail.N < 1 || detail.N > len(data.Split.Train) || detail.Reason == "" {
			t.Errorf("%s: got detail %s", name, d.Detail)
		}
	}

	spec := sweeps.RunSpec{Variant: "md", Missingness: sweeps.Settings{}}
	list := o.of(spec, data, predicted(data, constant, aware))
	adjusted := byName(list)
	if before, after := adjusted["residual_confounding"], blind["residual_confounding"]; !(before.Estimate < after.Estimate/2) {
		t.Errorf("knowing of fibrosis: got %v, without %v", before.Estimate, after.Estimate)
	}
	if d := adjusted["residual_of_adjusted"]; d.Verdict != "" || !(d.P < 1e-6) {
		t.Errorf("got %+v", d)
	}
	gap := adjusted["interventional_gap"]
	var detail struct {
		ByPattern map[string]float64 `json:"by_pattern"`
	}
	if err := json.Unmarshal(gap.Detail, &detail); err != nil {
		t.Fatal(err)
	}
	if !(gap.Lo < gap.Estimate && gap.Estimate < gap.Hi) || !(detail.ByPattern["base+anthro+lipid+bp+fibrosis"] > 5*detail.ByPattern["base"]) {
		t.Errorf("got %+v, %s", gap, gap.Detail)
	}
	if again := new(overlaps).of(spec, data, predicted(data, constant, aware)); fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", list) {
		t.Error("the same run in another process has other diagnostics")
	}
}

// An examination is judged for what it says: a model that leans on the told pattern
// fails, one that does not is ok, and every finding has rows and a reason.
func TestExamined_Judges(t *testing.T) {
	data := splitCohort(t)
	r := rng.Stream(1, "examined")
	const n, width = 600, 4
	draw := func(lean float64) examined {
		e := &train.Examination{Width: width, CausalWidth: width, BiasedWidth: width}
		positions := make([]int, n)
		for i := range n {
			row := data.Split.Test[i]
			positions[i] = i
			a := data.Store.Availability()[row]
			mask, label := float64(a>>2&1), float64(data.Store.Labels()[row])
			base := 0.2 + 0.4*label + 0.2*r.Float64()
			e.Rows, e.Availability, e.Labels = append(e.Rows, row), append(e.Availability, a), append(e.Labels, label)
			e.Score = append(e.Score, base)
			e.Placebo = append(e.Placebo, base-lean*(1-mask)*label)
			e.Claimed = append(e.Claimed, base-lean*(1-mask))
			e.Reference = append(e.Reference, base)
			e.BiasedSwapped, e.CausalSwapped = append(e.BiasedSwapped, base-lean*r.Float64()), append(e.CausalSwapped, base-0.1*r.Float64())
			for range width {
				e.H = append(e.H, float32(r.NormFloat64()))
				e.Causal = append(e.Causal, float32(r.NormFloat64()+6*lean*mask))
				e.Biased = append(e.Biased, float32(r.NormFloat64()))
			}
		}
		e.Observed, e.Told, e.Reliant, e.CausalObserved, e.BiasedObserved = e.Score, e.Claimed, e.Claimed, e.CausalSwapped, e.BiasedSwapped
		e.Hidden = []train.Hidden{{Modality: "lipid", Rows: positions, Score: e.Claimed, Reference: e.CausalSwapped}}
		for _, rate := range []float64{.3, .7} {
			e.Rates = append(e.Rates, train.Rate{Rate: rate, Score: e.Score, Reference: e.Reference})
		}
		e.DriftFull, e.DriftMasked, e.DriftRows = e.H, e.Causal, positions
		return examined{Examination: e, store: data.Store, patients: patientsOf(data.Store, e.Rows), seed: 1, networks: lean > 0}
	}
	judged := func(lean float64) map[string]diagnose.Finding {
		out := map[string]diagnose.Finding{}
		for _, d := range draw(lean).findings() {
			if _, twice := out[d.Name]; twice || d.N < 1 || d.N > n || d.Reason == "" {
				t.Errorf("got %+v", d.Finding)
			}
			out[d.Name] = d.Finding
		}
		return out
	}
	sound, leaning := judged(0), judged(.5)
	for _, name := range []string{"refuter/placebo_mask", "spoofing/told", "spoofing/claimed", "spoofing_auroc/claimed", "branch_reliance"} {
		if got := sound[name].Verdict; got != diagnose.OK {
			t.Errorf("%s of a sound model: got %+v", name, sound[name])
		}
		if got := leaning[name].Verdict; got == diagnose.OK || got == diagnose.None {
			t.Errorf("%s of a leaning model: got %+v", name, leaning[name])
		}
	}
	const probe = "probe/z_c:has_lipid"
	if sound[probe].Verdict != diagnose.OK || leaning[probe].Verdict != diagnose.Warn {
		t.Errorf("got %+v and %+v", sound[probe], leaning[probe])
	}
	if f := leaning["dependence/z_c:mask"]; f.Verdict != diagnose.Fail || !(f.P < .05) {
		t.Errorf("got %+v", f)
	}
}

func TestDiagnostics_Off(t *testing.T) {
	if got := new(overlaps).of(sweeps.RunSpec{Diagnostics: sweeps.DiagnosticsOff}, train.Data{}, train.Outcome{}); got != nil {
		t.Errorf("got %v", got)
	}
	for phase, want := range map[string]bool{sweeps.PhaseSearch: false, sweeps.PhaseReplicate: true} {
		if got := examines(sweeps.RunSpec{Phase: phase}); got != want {
			t.Errorf("%s: examines %v", phase, got)
		}
	}
	if examines(sweeps.RunSpec{Phase: sweeps.PhaseReplicate, Diagnostics: sweeps.DiagnosticsCheap}) {
		t.Error("the cheap level asks the model")
	}
}
