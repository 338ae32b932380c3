package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// diagnosticResamples is the number of bootstrap replicates behind an interval in
// the view of diagnostics, of which a run has some dozens: ten lie beyond each limit.
const diagnosticResamples = 400

// overlaps keeps what depends on dataset and split alone: the runs of a sweep
// share it. It is safe for use by many workers.
type overlaps struct {
	mu    sync.Mutex
	known map[string]func() []diagnostic
}

// diagnostic is a finding with what stands beside it in the column detail.
type diagnostic struct {
	diagnose.Finding
	detail map[string]any
}

func (d diagnostic) stored() tracker.Diagnostic {
	detail := map[string]any{"n": d.N, "effective_n": d.EffectiveN, "reason": d.Reason}
	for key, value := range d.detail {
		detail[key] = value
	}
	text, err := json.Marshal(detail)
	if err != nil { // numbers, strings and slices of them: a mistake of this file
		text = nil
	}
	return tracker.Diagnostic{
		Name: d.Name, Estimate: float64(d.Estimate), Lo: float64(d.Low), Hi: float64(d.High), P: float64(d.P),
		Verdict: string(d.Verdict), Detail: text,
	}
}

// examines reports whether a run is asked more than its test rows.
func examines(spec sweeps.RunSpec) bool {
	level := spec.Diagnosed()
	return level == sweeps.DiagnosticsStandard || level == sweeps.DiagnosticsFull
}

// of judges the test rows as they are, the predictions of a run for them, and what
// the model answered to an examination.
func (o *overlaps) of(spec sweeps.RunSpec, data train.Data, outcome train.Outcome) []tracker.Diagnostic {
	if spec.Diagnosed() == sweeps.DiagnosticsOff {
		return nil
	}
	seed := rng.Derive(uint64(spec.SplitSeed), "diagnostics")
	tested := testedRows(data, outcome)
	found := tested.residual()
	if spec.Missingness != nil || spec.DualBranch != nil {
		found = append(found, tested.gap(trainingAssociation(data), seed)...)
	}
	found = append(found, tested.stratified(seed)...)
	if examines(spec) {
		found = append(found, tested.refuted(seed)...)
	}
	if e := outcome.Examination; e != nil {
		found = append(found, examined{
			Examination: e, store: data.Store, patients: patientsOf(data.Store, e.Rows), seed: seed,
			networks: spec.Diagnosed() == sweeps.DiagnosticsFull,
		}.findings()...)
	}
	found = append(found, o.shared(spec, data, seed)...)
	out := make([]tracker.Diagnostic, len(found))
	for i, d := range found {
		out[i] = d.stored()
	}
	return out
}

// shared returns the overlap of the blocks, measured once for a split.
func (o *overlaps) shared(spec sweeps.RunSpec, data train.Data, seed uint64) []diagnostic {
	key := fmt.Sprintf("%s %+v %d", spec.Dataset.Hash, spec.Split, spec.SplitSeed)
	o.mu.Lock()
	find, ok := o.known[key]
	if !ok {
		find = sync.OnceValue(func() []diagnostic { return append(overlap(data, seed), sensitivity(data)...) })
		if o.known == nil {
			o.known = map[string]func() []diagnostic{}
		}
		o.known[key] = find
	}
	o.mu.Unlock()
	return find() // runs of other splits do not wait for it
}

// overlap judges, for every block that some training rows have and others miss,
// whether the covariates leave somebody to compare the test rows with.
func overlap(data train.Data, seed uint64) []diagnostic {
	store := data.Store
	rows := append(append([]int32(nil), data.Split.Train...), data.Split.Test...)
	names, w := adjustmentSet(store, rows, data.Split.Train)
	fit, predict := make([]int, len(data.Split.Train)), make([]int, len(data.Split.Test))
	for i := range fit {
		fit[i] = i
	}
	for i := range predict {
		predict[i] = len(fit) + i
	}
	var out []diagnostic
	for b, modality := range store.Modalities() {
		available, have := make([]float64, len(rows)), 0
		for i, row := range rows {
			available[i] = float64(store.Availability()[row] >> b & 1)
			if i < len(fit) {
				have += int(available[i])
			}
		}
		if have < diagnose.MinAuditRows || len(fit)-have < diagnose.MinAuditRows || len(names) == 0 {
			continue
		}
		p, err := diagnose.FitPropensity(w, len(names), available, fit, predict)
		if err != nil {
			continue // one kind of row: there is nothing to tell apart
		}
		tested := available[len(fit):]
		d := diagnose.DescribePropensity(p, tested)
		detail := map[string]any{
			"covariates": names, "auroc": stats.Number(d.AUROC), "brier": stats.Number(d.Brier), "slope": stats.Number(d.Slope),
			"overlap": stats.Number(d.Overlap), "effective_with": stats.Number(d.EffectiveAvailable), "effective_without": stats.Number(d.EffectiveMissing),
			"heaviest": stats.Number(d.Heaviest),
		}
		weights := diagnose.StabilisedWeights(p, tested)
		balance := diagnose.CompareCovariates(names, w[len(fit)*len(names):], len(names), tested, weights)
		histogram := map[string]any{"histogram": diagnose.CountPropensity(p, tested)}
		maps.Copy(histogram, detail)
		boot := func(what string) diagnose.Bootstrap {
			return diagnose.Bootstrap{Clusters: patientsOf(store, data.Split.Test), Resamples: diagnosticResamples, Rand: rng.Stream(seed, what, modality.Name)}
		}
		out = append(out,
			diagnostic{diagnose.Positivity("positivity/"+modality.Name, p, float64(have)/float64(len(fit)), boot("positivity")), histogram},
			diagnostic{diagnose.EffectiveSize("effective_size/"+modality.Name, weights, boot("effective")), detail},
			diagnostic{diagnose.JudgeBalance("balance/"+modality.Name, balance, len(tested), d.Effective), map[string]any{"balance": balance}})
	}
	return out
}

// sensitivity asks, for every block that some training rows have and others miss,
// how strong something unmeasured would have to be to explain what missing it says
// of the label beyond the covariates.
func sensitivity(data train.Data) []diagnostic {
	store, labels := data.Store, events(data.Store)
	var rows []int32
	for _, row := range data.Split.Train {
		if !math.IsNaN(labels[row]) {
			rows = append(rows, row)
		}
	}
	names, w := adjustmentSet(store, rows, rows)
	study := diagnose.Study{Covariates: w, Width: len(names), Patients: patientsOf(store, rows)}
	for _, row := range rows {
		study.Outcome = append(study.Outcome, labels[row])
	}
	var out []diagnostic
	for b, modality := range store.Modalities() {
		study.Exposure = nil
		missing := 0
		for _, row := range rows {
			is := 1 - float64(store.Availability()[row]>>b&1)
			study.Exposure, missing = append(study.Exposure, is), missing+int(is)
		}
		if missing < diagnose.MinAuditRows || len(rows)-missing < diagnose.MinAuditRows {
			continue
		}
		s := diagnose.AnalyseSensitivity(names, study)
		for _, f := range s.Findings() {
			detail := map[string]any{"split": "train", "covariates": names, "exposure": "missing " + modality.Name}
			if f.Name == "austen" {
				detail["curve"] = s.Curve
			}
			f.Name += "/" + modality.Name
			f.Reason = "missing " + modality.Name + ": " + f.Reason
			out = append(out, diagnostic{f, detail})
		}
	}
	return out
}

func patientsOf(store *dataset.Store, rows []int32) []int64 {
	out := make([]int64, len(rows))
	for i, row := range rows {
		out[i] = int64(store.PatientIndex()[row])
	}
	return out
}

// tested are the test rows as they are with what the run predicts for the event:
// class 1, the last of several classes, the first of several labels.
type tested struct {
	scores, observed, labels []float64
	levels                   []string
	patients                 []int64
	trained                  int // rows that the run learned from
}

func testedRows(data train.Data, outcome train.Outcome) tested {
	store := data.Store
	row := make(map[int64]int32, len(data.Split.Test))
	units := store.UnitHash()
	for _, r := range data.Split.Test {
		row[units[r]] = r
	}
	class := eventClass(store.Task())
	t := tested{trained: len(data.Split.Train)}
	for _, p := range outcome.Predictions {
		r, known := row[p.Unit]
		if p.TestSet != "test" || p.Class != class || !known {
			continue
		}
		t.scores, t.observed = append(t.scores, float64(p.Score)), append(t.observed, float64(p.Observed))
		t.labels = append(t.labels, float64(p.Label))
		t.levels = append(t.levels, store.PatternName(p.Pattern))
		t.patients = append(t.patients, int64(store.PatientIndex()[r]))
	}
	return t
}

// eventClass is the output whose label events returns.
func eventClass(task sdk.Task) int {
	switch task.Kind {
	case sdk.Multiclass:
		return task.Classes - 1
	case sdk.Multilabel:
		if task.Classes > 1 {
			return 0
		}
	}
	return 1
}

// residual tests whether the pattern says more about the label than the model's
// own prediction. An adjusted prediction leaves out on purpose what the pattern
// says, so that its test is told but not judged.
func (t tested) residual() []diagnostic {
	var out []diagnostic
	finding, test := diagnose.JudgeResidual("residual_confounding", t.observed, t.labels, t.levels, t.patients, t.trained)
	out = append(out, diagnostic{finding, residualDetail(test)})
	if t.adjusted() {
		finding, test := diagnose.JudgeResidual("residual_of_adjusted", t.scores, t.labels, t.levels, t.patients, t.trained)
		finding.Verdict = diagnose.None
		finding.Reason += adjustedText
		out = append(out, diagnostic{finding, residualDetail(test)})
	}
	return out
}

// adjustedText says why what an adjusted prediction leaves out is no fault of it.
const adjustedText = "; not judged, as adjusting leaves out what the pattern says of the outcome"

// adjusted says that what is reported differs from what was predicted.
func (t tested) adjusted() bool { return !slices.Equal(t.scores, t.observed) }

func residualDetail(r diagnose.Residual) map[string]any {
	return map[string]any{"df": r.DF, "patterns": r.Patterns, "inflation": r.Inflation}
}

// gap is how far the adjustment moves the predictions, overall and by pattern.
func (t tested) gap(association float64, seed uint64) []diagnostic {
	boot := diagnose.Bootstrap{Clusters: t.patients, Resamples: diagnosticResamples, Rand: rng.Stream(seed, "gap")}
	finding := diagnose.InterventionalGap("interventional_gap", t.observed, t.scores, 1, association, boot)
	sum, n := map[string]float64{}, map[string]float64{}
	for i, level := range t.levels {
		sum[level] += math.Abs(t.observed[i] - t.scores[i])
		n[level]++
	}
	for level := range sum {
		sum[level] /= n[level]
	}
	return []diagnostic{{finding, map[string]any{
		"kl": stats.Number(diagnose.CompareFactual(t.observed, t.scores, 1).KL), "by_pattern": sum, "cramers_v": stats.Number(association),
	}}}
}

// trainingAssociation is Cramér's V of pattern and label in the training rows.
func trainingAssociation(data train.Data) float64 {
	labels := events(data.Store)
	var patterns, y []int
	for _, row := range data.Split.Train {
		if v := labels[row]; !math.IsNaN(v) {
			patterns, y = append(patterns, int(data.Store.Availability()[row])), append(y, int(v))
		}
	}
	return diagnose.Associate(patterns, y, 0, nil).CramersV
}

// stratifiedRows is the number of rows below which a pattern is not judged alone.
const stratifiedRows = 50

// worstShare is the share of rows of the worst log loss.
const worstShare = .1

// stratified judges calibration and ranking by pattern. The calibration of adjusted
// predictions is told but not judged, as in residual.
func (t tested) stratified(seed uint64) []diagnostic {
	boot := func(what string, rows []int) diagnose.Bootstrap {
		return diagnose.Bootstrap{Clusters: at(t.patients, rows), Resamples: diagnosticResamples, Rand: rng.Stream(seed, "stratified", what)}
	}
	all := make([]int, len(t.levels))
	rows := map[string][]int{}
	for i, level := range t.levels {
		all[i] = i
		rows[level] = append(rows[level], i)
	}
	var out []diagnostic
	adjusted := t.adjusted()
	var aurocs []float64
	var sizes []int
	byPattern := map[string]stats.Number{}
	for _, c := range diagnose.CalibrateByPattern(t.scores, t.labels, t.levels) {
		of := rows[c.Level]
		if c.N < stratifiedRows || c.Events < stats.MinEvents || c.N-c.Events < stats.MinEvents {
			continue
		}
		scores, labels := at(t.scores, of), at(t.labels, of)
		f := diagnose.JudgeCalibration("calibration/"+c.Level, c, scores, labels, boot("calibration "+c.Level, of))
		if adjusted {
			f.Verdict = diagnose.None
			f.Reason += adjustedText
		}
		out = append(out, diagnostic{
			f,
			map[string]any{
				"slope": c.Slope, "intercept": c.Intercept, "reliability": stats.Number(c.Brier.Reliability),
				"resolution": stats.Number(c.Brier.Resolution), "uncertainty": stats.Number(c.Brier.Uncertainty),
			},
		})
		known := knownLabels(labels)
		auroc := stats.AUROC(at(scores, known), at(labels, known), nil)
		aurocs, sizes = append(aurocs, auroc), append(sizes, c.N)
		byPattern[c.Level] = stats.Number(auroc)
	}
	spread := diagnose.JudgeSpread("pattern_gap", aurocs, sizes, len(t.labels))
	shift, points := diagnose.JudgePatternShift("pattern_shift", t.scores, t.labels, t.levels, boot("shift", all))
	var curve []map[string]stats.Number
	for _, p := range points {
		curve = append(curve, map[string]stats.Number{"alpha": stats.Number(p.Alpha), "auroc": stats.Number(p.Value), "effective_n": stats.Number(p.Effective)})
	}
	return append(out,
		diagnostic{spread, map[string]any{"auroc_by_pattern": byPattern}},
		diagnostic{shift, map[string]any{"curve": curve}},
		diagnostic{diagnose.JudgeWorst("worst_log_loss", t.scores, t.labels, worstShare, boot("worst", all)), nil})
}

// scoreRepeats is how often a refuter of the score is drawn.
const scoreRepeats = 40

// refuted runs the refuters on what the run claims: that its score ranks the
// outcome.
func (t tested) refuted(seed uint64) []diagnostic {
	known := knownLabels(t.labels)
	y := at(t.labels, known)
	if events := total(y); events < stats.MinEvents || float64(len(y))-events < stats.MinEvents {
		return nil
	}
	count := map[string]int{}
	levels := at(t.levels, known)
	for _, level := range levels {
		count[level]++
	}
	for i, level := range levels {
		if count[level] < stratifiedRows {
			levels[i] = diagnose.PooledLevel
		}
	}
	names := slices.Compact(slices.Sorted(slices.Values(levels)))
	study := diagnose.Study{Exposure: at(t.scores, known), Outcome: y, Width: len(names) - 1, Patients: at(t.patients, known)}
	for _, level := range levels {
		for _, name := range names[1:] {
			study.Covariates = append(study.Covariates, indicator(level == name))
		}
	}
	var out []diagnostic
	for _, f := range (diagnose.Refuters{Repeats: scoreRepeats, Subset: .8, Rand: rng.Stream(seed, "refuters")}).Score(study) {
		f.Name = "refuter/" + f.Name
		out = append(out, diagnostic{f, nil})
	}
	return out
}
