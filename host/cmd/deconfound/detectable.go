package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/scm"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// detectablePower is the power that plan computes detectable differences for.
const detectablePower = 0.8

// assumptions are what the detectable difference depends on beside the plan.
type assumptions struct {
	AUROC       float64 `json:"auroc"`       // of both arms
	Correlation float64 `json:"correlation"` // of their AUROCs over samples of patients
	SD          float64 `json:"sd"`          // of the difference between seeds
}

// measured are assumptions taken from the recorded runs of a dataset; AUROC is 0
// where the task has none.
type measured struct {
	assumptions
	Pairs int // of matched runs behind SD; Correlation is of at most measuredPairs
}

// measuredPairs is how many pairs of runs the correlation is measured on.
const measuredPairs = 12

// detectableEffect is the difference that a dataset's comparisons can detect.
type detectableEffect struct {
	Dataset string `json:"dataset"`
	Metric  string `json:"metric"`
	Seeds   int    `json:"seeds"`
	// Events and NonEvents are tested patients: how many distinct ones would give
	// the variance of those that the seeds test, together. 0 where the metric is
	// not the AUROC of a binary task; then only the seeds are counted.
	Events    int `json:"events"`
	NonEvents int `json:"non_events"`
	// Comparisons are the tests of the overall family.
	Comparisons int         `json:"comparisons"`
	Assumed     assumptions `json:"assumed"`
	// Pairs of recorded runs that Assumed was measured on; 0 when it was not.
	Pairs int `json:"measured_pairs"`
	// Alone is for one comparison at its level, First for one at the level that the
	// correction leaves the smallest p-value of all comparisons.
	Alone stats.Detectable `json:"alone"`
	First stats.Detectable `json:"first_of_all"`
}

// detectable computes what every dataset of a plan can detect; it is empty without
// a baseline, for then nothing is compared.
func (a *app) detectable(ctx context.Context, plan *sweeps.Plan, assumed assumptions, known map[string]measured) ([]detectableEffect, error) {
	if !(assumed.AUROC > 0 && assumed.AUROC < 1) || !(assumed.Correlation >= -1 && assumed.Correlation <= 1) || !(assumed.SD >= 0) {
		return nil, withExit(exitUsage, fmt.Errorf("plan needs 0 < --auroc < 1, a --correlation from -1 to 1 and an --sd of at least 0"))
	}
	selection, err := sweeps.ParseSelection(plan.Metric.Name)
	if err != nil {
		return nil, err
	}
	baseline := plan.Analysis.Baseline["variant"]
	if baseline == "" {
		return nil, nil
	}
	h, err := findHome()
	if err != nil {
		return nil, err
	}
	effects := []detectableEffect{}
	for _, name := range datasetsOf(plan) {
		e := detectableEffect{Dataset: name, Metric: selection.Name, Seeds: len(plan.Seeds), Assumed: assumed}
		if m, ok := known[name]; ok {
			e.Assumed.SD, e.Pairs = m.SD, m.Pairs
			if m.AUROC > 0 && m.AUROC < 1 {
				e.Assumed = m.assumptions
			}
		}
		var split sweeps.Split
		var ref sweeps.DatasetRef
		for _, c := range plan.Cells {
			if c.Cell.Dataset == name && c.Cell.Variant != baseline {
				e.Comparisons++
			}
			if c.Cell.Dataset == name {
				split, ref = c.Base().Split, c.Base().Dataset
			}
		}
		if e.Comparisons == 0 {
			continue
		}
		if selection.Name == string(stats.MetricAUROC) {
			if e.Events, e.NonEvents, err = h.tested(ctx, ref, split, plan.Seeds); err != nil {
				return nil, err
			}
		}
		alpha := 1 - plan.Analysis.Confidence
		e.Alone, e.First = e.at(alpha), e.at(alpha/float64(e.Comparisons))
		if plan.Analysis.Correction == sweeps.CorrectNone {
			e.First = e.Alone
		}
		effects = append(effects, e)
	}
	return effects, nil
}

// at is the detectable difference at a level.
func (e detectableEffect) at(alpha float64) stats.Detectable {
	if e.Events == 0 || e.NonEvents == 0 {
		return stats.DetectableDifference(e.Assumed.SD*e.Assumed.SD/float64(e.Seeds), 0, e.Seeds, alpha, detectablePower)
	}
	return stats.Design{
		Seeds: e.Seeds, Events: e.Events, NonEvents: e.NonEvents, AUROC: e.Assumed.AUROC, Correlation: e.Assumed.Correlation,
		TrainingSD: e.Assumed.SD, Alpha: alpha, Power: detectablePower,
	}.Detectable()
}

// tested counts the tested patients of a binary task, with and without the event.
// Those of mm_conf are other ones with every seed, as many as the settings say; those
// of a planted dataset are not counted, for it would have to be made.
func (h home) tested(ctx context.Context, ref sweeps.DatasetRef, split sweeps.Split, seeds []int) (events, nonEvents int, err error) {
	switch ref.Generator {
	case plantedGenerator:
		return 0, 0, nil
	case scm.Generator:
		rows, _ := ref.Settings.Int("test_rows")
		prevalence, _ := ref.Settings.Float("prevalence")
		all := int(rows) * len(seeds)
		events = int(math.Round(prevalence * float64(all)))
		return events, all - events, nil
	}
	store, err := h.openDataset(ctx, ref.Name)
	if err != nil {
		return 0, 0, err
	}
	if store.Task().Kind == sdk.Binary {
		events, nonEvents, err = testedPatients(store, split, seeds)
	}
	return events, nonEvents, errors.Join(err, store.Close())
}

// testedPatients counts the patients that the seeds test, with and without the
// event (in any of their rows). A patient whom k seeds test weighs k in the mean
// over seeds; the answer is the number of equal weights with the same variance,
// (Σk)²/Σk²: all patients of a fixed test set, and more of them, but not as many
// as rows were tested, where each seed draws its own.
func testedPatients(store *dataset.Store, split sweeps.Split, seeds []int) (events, nonEvents int, err error) {
	tested, event := map[int32]float64{}, map[int32]bool{}
	for _, seed := range seeds {
		parts, err := store.Split(splitSpec(split), seed)
		if err != nil {
			return 0, 0, fmt.Errorf("split dataset %s: %w", store.Name(), err)
		}
		seen := map[int32]bool{}
		for _, row := range parts.Test {
			patient, label := store.PatientIndex()[row], store.Labels()[row]
			if math.IsNaN(float64(label)) {
				continue
			}
			event[patient] = event[patient] || label == 1
			if !seen[patient] {
				seen[patient] = true
				tested[patient]++
			}
		}
	}
	events, nonEvents = effectivePatients(tested, event)
	return events, nonEvents, nil
}

// measureVariation takes the assumptions from the recorded replicates of the
// datasets of a plan, of any sweep in which the plan's baseline was trained on the
// same data beside another variant: the standard deviation of the difference
// between seeds, pooled over backbones and variants, and from the predictions the
// AUROC and the correlation, medians over pairs of runs. runs are all that are done.
//
// Where recorded seeds tested patients of their own, their spread holds patients
// too, and the detectable difference comes out a little large.
func measureVariation(ctx context.Context, store *tracker.Store, plan *sweeps.Plan, runs []tracker.Run) (map[string]measured, error) {
	selection, err := sweeps.ParseSelection(plan.Metric.Name)
	if err != nil {
		return nil, err
	}
	metric := tracker.Metric{Name: selection.Name, Split: "test"}
	out := map[string]measured{}
	for _, name := range datasetsOf(plan) {
		pairs := recordedPairs(plan, name, runs)
		var ids []int64
		for _, p := range pairs {
			ids = append(ids, p.baseline.ID, p.variant.ID)
		}
		values, err := store.Results(ctx, tracker.RunFilter{IDs: slices.Compact(slices.Sorted(slices.Values(ids)))}, metric)
		if err != nil {
			return nil, err
		}
		m := measured{}
		var squares, freedom float64
		groups := map[string][]float64{}
		for _, p := range pairs {
			b, okB := values[p.baseline.ID][metric]
			v, okV := values[p.variant.ID][metric]
			if okB && okV && !math.IsNaN(v-b) {
				groups[p.group] = append(groups[p.group], v-b)
			}
		}
		for _, differences := range groups {
			if len(differences) > 1 {
				squares += stat.Variance(differences, nil) * float64(len(differences)-1)
				freedom += float64(len(differences) - 1)
				m.Pairs += len(differences)
			}
		}
		if freedom == 0 {
			continue
		}
		m.SD = math.Sqrt(squares / freedom)
		if err := m.correlate(ctx, store, pairs[max(0, len(pairs)-measuredPairs):]); err != nil {
			return nil, err
		}
		out[name] = m
	}
	return out, nil
}

// recordedPair are two runs of the same sweep, backbone and seed.
type recordedPair struct {
	group             string // sweep, backbone and variant
	baseline, variant tracker.Run
}

// recordedPairs pairs the replicates of a dataset, the oldest first.
func recordedPairs(plan *sweeps.Plan, name string, runs []tracker.Run) []recordedPair {
	hash := ""
	for _, c := range plan.Cells {
		if c.Cell.Dataset == name {
			hash = c.Base().Dataset.Hash
		}
	}
	key := func(r tracker.Run) string { return fmt.Sprint(r.SweepID, " ", r.Backbone, " ", r.SplitSeed) }
	usable := func(r tracker.Run) bool { return r.Phase == tracker.Replicate && r.Planned && r.DatasetHash == hash }
	baselines := map[string]tracker.Run{}
	for _, r := range runs {
		if usable(r) && r.Variant == plan.Analysis.Baseline["variant"] {
			baselines[key(r)] = r
		}
	}
	var pairs []recordedPair
	for _, r := range runs {
		if b, ok := baselines[key(r)]; ok && usable(r) && r.ID != b.ID {
			pairs = append(pairs, recordedPair{fmt.Sprint(r.SweepID, " ", r.Backbone, " ", r.Variant), b, r})
		}
	}
	return pairs
}

// correlate fills AUROC and Correlation, with which the variance of a difference
// is that of DeLong: 1 − Var(difference) / (Var(a) + Var(b)).
func (m *measured) correlate(ctx context.Context, store *tracker.Store, pairs []recordedPair) error {
	var aurocs, correlations []float64
	for _, p := range pairs {
		predictions, err := store.Predictions(ctx, tracker.RunFilter{IDs: []int64{p.baseline.ID, p.variant.ID}}, plainTestSet)
		if err != nil {
			return err
		}
		if len(predictions) != 2 || !slices.Equal(predictions[0].Unit, predictions[1].Unit) {
			continue
		}
		labels, err := datasetLabels(ctx, store, p.baseline.DatasetHash)
		if err != nil {
			return err
		}
		if labels.task.Kind != stats.Binary {
			continue
		}
		a, b := labels.run(predictions[0]), labels.run(predictions[1])
		if auroc, r := pairOf(a, b); !math.IsNaN(r) {
			aurocs, correlations = append(aurocs, auroc), append(correlations, r)
		}
	}
	if len(aurocs) > 0 {
		m.AUROC, m.Correlation = middle(aurocs), middle(correlations)
	}
	return nil
}

// middle is the median; values is not empty.
func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func printDetectable(w io.Writer, plan *sweeps.Plan, effects []detectableEffect) {
	if len(effects) == 0 {
		return
	}
	level := math.Round(1e4*(1-plan.Analysis.Confidence)) / 100
	fmt.Fprintf(w, "\nTrue difference of %s to the baseline that is found in %.0f of 100 sweeps (two-sided, %g %%):\n\n", effects[0].Metric, 100*detectablePower, level)
	t := newTable(w, 1, "dataset", "seeds", "patients", "events", "comparisons", "one alone", "first of all", "SE of seeds", "SE of patients")
	for _, e := range effects {
		patients, events := "not counted", "not counted"
		if e.Events > 0 && e.NonEvents > 0 {
			patients, events = fmt.Sprint(e.Events+e.NonEvents), fmt.Sprint(e.Events)
		}
		t.AppendRow([]any{
			e.Dataset, e.Seeds, patients, events, e.Comparisons, decimal(float64(e.Alone.Difference)), decimal(float64(e.First.Difference)),
			fourDecimals(float64(e.Alone.Trainings)), fourDecimals(float64(e.Alone.Patients)),
		})
	}
	t.Render()
	switch plan.Analysis.Correction {
	case sweeps.CorrectNone:
		fmt.Fprintln(w, "The analysis corrects for nothing: with many comparisons, false findings are likely.")
	default:
		fmt.Fprintln(w, "first of all: at the level that the correction leaves the smallest of the p values.")
	}
	for _, e := range effects {
		from := "assumed (--sd, --auroc, --correlation; --recorded measures them)"
		if e.Pairs > 0 {
			from = fmt.Sprintf("measured on %d pairs of recorded runs", e.Pairs)
		}
		if e.Events > 0 && e.NonEvents > 0 {
			fmt.Fprintf(w, "%s: the difference varies between seeds with sd %.4f; AUROC %.3f, correlation of the arms' AUROCs over patients %.3f: %s. Variance over patients by Hanley and McNeil, added to that of the seeds; the test is the paired bootstrap.\n",
				e.Dataset, e.Assumed.SD, e.Assumed.AUROC, e.Assumed.Correlation, from)
			continue
		}
		fmt.Fprintf(w, "%s: the difference varies between seeds with sd %.4f: %s. Patients are left out (that part is known for the AUROC of binary tasks only), so the true figure is larger.\n", e.Dataset, e.Assumed.SD, from)
	}
}

// registeredInVain says which tests of the analysis can find nothing in this sweep,
// whatever its results.
func registeredInVain(plan *sweeps.Plan) []string {
	var out []string
	if len(plan.Seeds) < 2 && len(plan.Analysis.Tests) > 0 {
		out = append(out, "one seed tests nothing but patients (delong); add seeds")
	}
	smallest := math.Exp2(float64(1 - len(plan.Seeds)))
	for _, test := range plan.Analysis.Tests {
		switch {
		case (test == sweeps.TestWilcoxon || test == sweeps.TestPermutation) && smallest > 1-plan.Analysis.Confidence:
			out = append(out, fmt.Sprintf("with %d seeds %s cannot give a p below %.4g", len(plan.Seeds), test, smallest))
		case test == sweeps.TestFriedman && blocksOf(plan) < 2:
			out = append(out, "friedman needs two datasets or backbones")
		}
	}
	return out
}

// blocksOf counts the datasets and backbones of a plan, crossed.
func blocksOf(plan *sweeps.Plan) int {
	blocks := map[[2]string]bool{}
	for _, c := range plan.Cells {
		blocks[[2]string{c.Cell.Dataset, c.Cell.Backbone}] = true
	}
	return len(blocks)
}
