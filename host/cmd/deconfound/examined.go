package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk/rng"
)

const (
	// dependentRows bounds the rows of the measures that need O(n²).
	dependentRows = 150
	// probedRows bounds the rows of a probe; probeShuffles is the number of control
	// tasks behind its chance level, probeHeld the share of patients it is tested on.
	probedRows    = 300
	probeShuffles = 2
	probeHeld     = .3
	// probedCovariates bounds how many covariates are probed for.
	probedCovariates = 3
	// independencePermutations is that of the permutation tests.
	independencePermutations = 200
)

// examined judges what a model answered when it was asked otherwise.
type examined struct {
	*train.Examination
	store    *dataset.Store
	patients []int64
	seed     uint64
	networks bool // also probe with networks
}

func (e examined) boot(what ...any) diagnose.Bootstrap {
	return diagnose.Bootstrap{Clusters: e.patients, Resamples: diagnosticResamples, Rand: rng.Stream(e.seed, append([]any{"examined"}, what...)...)}
}

// findings are all diagnostics of an examination.
func (e examined) findings() []diagnostic {
	return slices.Concat(e.indicator(), e.hidden(), e.curve(), e.branches(), e.drift(), e.independence(), e.probes())
}

// indicator is the reliance on being told a pattern, every value kept (spoofing),
// and the placebo mask.
func (e examined) indicator() []diagnostic {
	var out []diagnostic
	if e.Told != nil {
		f := diagnose.Spoofing("spoofing/told", e.Score, e.Told, 1, e.boot("told"))
		inner := diagnose.CompareFactual(e.Observed, e.Reliant, 1).Mean
		f.Reason += fmt.Sprintf(" in what is reported, by %.4f without adjustment", inner)
		out = append(out, diagnostic{f, map[string]any{"unadjusted": stats.Number(inner)}})
	}
	claimed := diagnose.Spoofing("spoofing/claimed", e.Score, e.Claimed, 1, e.boot("claimed"))
	claimed.Reason = fmt.Sprintf("telling the model that every modality is there, while the missing values stay missing, moves predictions by %.4f on average", float64(claimed.Estimate))
	return append(out,
		diagnostic{claimed, nil},
		diagnostic{diagnose.AUROCChange("spoofing_auroc/claimed", e.Score, e.Claimed, e.Labels, e.boot("claimed auroc"), "claiming every modality"), nil},
		diagnostic{diagnose.PlaceboMask("refuter/placebo_mask", e.Score, e.Placebo, e.Labels, e.boot("placebo")), nil})
}

// hidden compares what hiding a modality does with what it does to a late fusion.
func (e examined) hidden() []diagnostic {
	var out []diagnostic
	for _, h := range e.Hidden {
		boot := e.boot("hidden", h.Modality)
		boot.Clusters = at(e.patients, h.Rows)
		full, labels := at(e.Score, h.Rows), at(e.Labels, h.Rows)
		if h.Reference != nil {
			out = append(out, diagnostic{diagnose.JudgeMaskFlip("mask_flip/"+h.Modality, full, h.Score, at(e.Reference, h.Rows), h.Reference, 1, boot), nil})
		}
		// Information is lost: a loss is no fault.
		f := diagnose.AUROCChange("mask_flip_auroc/"+h.Modality, full, h.Score, labels, boot, "hiding "+h.Modality)
		if f.Verdict != diagnose.None {
			f.Verdict = diagnose.OK
			f.Reason += ", which its information is worth or its mask; mask_flip tells the two apart"
		}
		out = append(out, diagnostic{f, nil})
	}
	return out
}

// curve is the AUROC while modalities go missing at random, against a late fusion.
func (e examined) curve() []diagnostic {
	known := knownLabels(e.Labels)
	y := at(e.Labels, known)
	auroc := func(scores []float64) func(w []float64) float64 {
		if scores == nil {
			return func([]float64) float64 { return math.NaN() }
		}
		return diagnose.WeightedAUROC(at(scores, known), y)
	}
	rates := []float64{0}
	model, reference := []func([]float64) float64{auroc(e.Score)}, []func([]float64) float64{auroc(e.Reference)}
	for _, r := range e.Rates {
		rates, model, reference = append(rates, r.Rate), append(model, auroc(r.Score)), append(reference, auroc(r.Reference))
	}
	values := func(of []func([]float64) float64, w []float64) []float64 {
		out := make([]float64, len(of))
		for i, f := range of {
			out[i] = f(w)
		}
		return out
	}
	boot := e.boot("curve")
	boot.Clusters = at(e.patients, known)
	ones := make([]float64, len(known))
	for i := range ones {
		ones[i] = 1
	}
	detail := map[string]any{"rates": rates, "auroc": numbers(values(model, ones)), "auroc_of_late_fusion": numbers(values(reference, ones))}
	return []diagnostic{
		{diagnose.JudgeRobustness("missing_rate", rates, y, func(w []float64) []float64 { return values(model, w) },
			func(w []float64) []float64 { return values(reference, w) }, boot), detail},
	}
}

// branches is the reliance on z_c and z_b.
func (e examined) branches() []diagnostic {
	if e.Causal == nil {
		return nil
	}
	f := diagnose.JudgeReliance("branch_reliance", e.Score, e.CausalSwapped, e.BiasedSwapped, 1, e.boot("branches"))
	inner := diagnose.BranchReliance(e.Observed, e.CausalObserved, e.BiasedObserved, 1)
	outer := diagnose.BranchReliance(e.Score, e.CausalSwapped, e.BiasedSwapped, 1)
	f.Reason += fmt.Sprintf("; without adjustment %.4f and %.4f", inner.Causal, inner.Spurious)
	return []diagnostic{{f, map[string]any{
		"causal_reliance": stats.Number(outer.Causal), "spurious_reliance": stats.Number(outer.Spurious),
		"unadjusted_causal_reliance": stats.Number(inner.Causal), "unadjusted_spurious_reliance": stats.Number(inner.Spurious),
	}}}
}

func (e examined) drift() []diagnostic {
	if len(e.DriftRows) == 0 {
		return nil
	}
	boot := e.boot("drift")
	boot.Clusters = at(e.patients, e.DriftRows)
	f := diagnose.JudgeDrift("drift", wide(e.DriftFull), wide(e.DriftMasked), e.Width, boot)
	if !e.DriftComplete {
		f.Reason += "; few rows have every modality, so these have two or more"
	}
	return []diagnostic{{f, map[string]any{"fully_observed": e.DriftComplete}}}
}

// representation is h or a branch.
type representation struct {
	name   string
	values []float64
	width  int
	// clean says that it should know nothing of what biases.
	clean bool
}

func (e examined) representations() []representation {
	out := []representation{{"h", wide(e.H), e.Width, false}}
	if e.Causal != nil {
		out = append(out, representation{"z_c", wide(e.Causal), e.CausalWidth, true}, representation{"z_b", wide(e.Biased), e.BiasedWidth, false})
	}
	return out
}

// independence measures what z_c, or h without branches, has to do with z_b and
// with the mask.
func (e examined) independence() []diagnostic {
	n := min(dependentRows, len(e.Rows))
	r := rng.Stream(e.seed, "examined", "dependence")
	rows := r.Perm(len(e.Rows))[:n]
	slices.Sort(rows)
	modalities := len(e.store.Modalities())
	var mask []float64
	for _, i := range rows {
		for m := range modalities {
			mask = append(mask, float64(e.Availability[i]>>m&1))
		}
	}
	all := e.representations()
	subject := all[min(1, len(all)-1)]
	x := rowsAt(subject.values, subject.width, rows)
	out := e.dependence(subject.name+":mask", x, subject.width, mask, modalities, subject.clean, r)
	if len(all) > 1 {
		out = append(out, e.dependence("z_c:z_b", x, subject.width, rowsAt(all[2].values, all[2].width, rows), all[2].width, true, r)...)
	}
	return out
}

func (e examined) dependence(what string, x []float64, wx int, y []float64, wy int, judged bool, r *rand.Rand) []diagnostic {
	f := diagnose.Independence("dependence/"+what, x, wx, y, wy, independencePermutations, r)
	if !judged && f.Verdict != diagnose.None {
		f.Verdict = diagnose.None
		f.Reason += "; not judged, as nothing was to keep them apart"
	}
	return []diagnostic{{f, map[string]any{
		"hsic": stats.Number(diagnose.HSIC(x, wx, y, wy)), "linear_cka": stats.Number(diagnose.LinearCKA(x, wx, y, wy)),
		"distance_correlation": stats.Number(diagnose.DistanceCorrelation(x, wx, y, wy)),
		"mutual_information":   stats.Number(diagnose.MutualInformation(x, wx, y, wy, 3)),
		"vclub":                stats.Number(diagnose.ContrastiveBound(x, wx, y, wy)),
	}}}
}

// target is what a probe looks for, 0 or 1 for each row, NaN where unknown.
type target struct {
	name   string
	values []float64
	bias   bool // z_c should not know it
	mask   bool // but may, as long as the score does not lean on it
}

func (e examined) targets() []target {
	var out []target
	add := func(name string, bias, mask bool, value func(i int) float64) {
		t := target{name: name, bias: bias, mask: mask, values: make([]float64, len(e.Rows))}
		for i := range t.values {
			t.values[i] = value(i)
		}
		out = append(out, t)
	}
	count := map[uint64]int{}
	for _, a := range e.Availability {
		count[a]++
	}
	common := e.Availability[0]
	for _, a := range e.Availability {
		if count[a] > count[common] || count[a] == count[common] && a < common {
			common = a
		}
	}
	for m, modality := range e.store.Modalities() {
		if !modality.Always {
			add("has_"+modality.Name, true, true, func(i int) float64 { return float64(e.Availability[i] >> m & 1) })
		}
	}
	add("commonest_pattern", true, true, func(i int) float64 { return indicator(e.Availability[i] == common) })
	if e.Confounder != nil {
		middle := median(e.Confounder)
		add("confounder", true, false, func(i int) float64 { return indicator(e.Confounder[i] > middle) })
	}
	if levels := e.store.EnvironmentLevels(); len(levels) > 1 {
		site := e.store.Environment()
		add("site", true, false, func(i int) float64 { return indicator(site[e.Rows[i]] == 0) })
	}
	for _, g := range e.store.Groups() {
		if len(g.Levels) == 2 {
			add(g.Name, false, false, func(i int) float64 {
				if v := g.Values[e.Rows[i]]; v >= 0 {
					return float64(v)
				}
				return math.NaN()
			})
		}
	}
	names := e.store.CovariateNames()
	if len(names) > 0 {
		w := e.store.Covariates(e.Rows, e.Rows)
		for j, name := range names[:min(len(names), probedCovariates)] {
			var column []float64
			for i := range e.Rows {
				column = append(column, float64(w[i*len(names)+j]))
			}
			middle := median(column)
			add("w_"+name, false, false, func(i int) float64 { return indicator(column[i] > middle) })
		}
	}
	add("label", false, false, func(i int) float64 { return e.Labels[i] })
	return out
}

// probes read targets from representations.
func (e examined) probes() []diagnostic {
	r := rng.Stream(e.seed, "examined", "probe")
	drawn := r.Perm(len(e.Rows))[:min(probedRows, len(e.Rows))]
	slices.Sort(drawn)
	var out []diagnostic
	for _, t := range e.targets() {
		var rows []int
		for _, i := range drawn {
			if !math.IsNaN(t.values[i]) {
				rows = append(rows, i)
			}
		}
		y := at(t.values, rows)
		if ones := total(y); ones < diagnose.MinAuditRows || float64(len(y))-ones < diagnose.MinAuditRows {
			continue
		}
		held := diagnose.HoldOut(at(e.patients, rows), probeHeld, r)
		for _, h := range e.representations() {
			x := rowsAt(h.values, h.width, rows)
			f := diagnose.Readable("probe/"+h.name+":"+t.name, x, h.width, y, held, probeShuffles, r)
			detail := map[string]any{}
			if e.networks {
				p := diagnose.NetworkProbe(x, h.width, y, held, 1, r)
				detail["network_auroc"], detail["network_selectivity"] = stats.Number(p.AUROC), stats.Number(p.Selectivity)
			}
			if f.Verdict != diagnose.None && !(h.clean && t.bias) {
				f.Verdict = diagnose.None
				f.Reason += "; not judged, as it may be there"
			}
			if f.Verdict == diagnose.Fail && t.mask {
				f.Verdict = diagnose.Warn
				f.Reason += "; refuter/placebo_mask tells whether the score leans on it"
			}
			out = append(out, diagnostic{f, detail})
		}
	}
	return out
}

// at picks positions of a slice.
func at[T any](values []T, positions []int) []T {
	out := make([]T, len(positions))
	for k, i := range positions {
		out[k] = values[i]
	}
	return out
}

func rowsAt(values []float64, width int, rows []int) []float64 {
	out := make([]float64, 0, len(rows)*width)
	for _, i := range rows {
		out = append(out, values[i*width:(i+1)*width]...)
	}
	return out
}

func wide(values []float32) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

func numbers(values []float64) []stats.Number {
	out := make([]stats.Number, len(values))
	for i, v := range values {
		out[i] = stats.Number(v)
	}
	return out
}

func indicator(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func total(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func knownLabels(labels []float64) []int {
	var out []int
	for i, y := range labels {
		if !math.IsNaN(y) {
			out = append(out, i)
		}
	}
	return out
}
