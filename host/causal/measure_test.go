//go:build measure

package causal

import (
	"maps"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/deconfound/deconfound/host/scm"
)

// TestMeasure_availabilitySplit prints the errors of small networks on 20,000
// rows, mean of three worlds, with features mixed: make measure-split. Where there
// is a reference (networks of another implementation, two worlds), no error may be
// more than 0.02 above it, nor that of erm and md more than 0.02 below. In S4 the
// worlds differ more: 0.03.
func TestMeasure_availabilitySplit(t *testing.T) {
	md := map[string]any{"mode": "enumerate"}
	db := func(mechanism, predict string) map[string]any {
		return map[string]any{"split": "availability", "mechanism": mechanism, "predict": predict}
	}
	columns := []struct {
		name   string
		design design
	}{
		{"erm", design{}},
		{"md", design{missingness: md}},
		{"confounder", design{branch: db("confounder", "drop")}},
		{"confounder, md", design{branch: db("confounder", "drop"), missingness: md}},
		{"label", design{branch: db("label", "drop")}},
		{"label, md", design{branch: db("label", "drop"), missingness: md}},
		{"confounder, marginal", design{branch: db("confounder", "marginal")}},
		{"confounder, md, marginal", design{branch: db("confounder", "marginal"), missingness: md}},
		{"label, md, marginal", design{branch: db("label", "marginal"), missingness: md}},
	}
	for _, row := range []struct {
		name      string
		scenario  scenario
		reference []float64 // of the first columns
	}{
		{"S0", simS0, []float64{0.062, 0.071, 0.063, 0.072, 0.063, 0.072}},
		{"S1", scenario{kappa: 0.7}, nil},
		{"S2", simS2, []float64{0.161, 0.156, 0.122, 0.068, 0.116, 0.076}},
		{"S3", simS3, []float64{0.126, 0.074, 0.126, 0.075, 0.164, 0.131}},
		{"S4", simS4, []float64{0.148, 0.147, 0.124, 0.106, 0.127, 0.113}},
		{"S6", simS6, nil},
	} {
		tolerance := 0.02
		if row.name == "S4" {
			tolerance = 0.03
		}
		for i, column := range columns {
			d, sum := column.design, 0.0
			d.mixed, d.columns = true, simColumns
			for seed := range uint64(3) {
				sum += d.simulate(t, row.scenario, 20000, 12, 1+seed).do / 3
			}
			t.Logf("%s %-26s %.3f", row.name, column.name, sum)
			if i < len(row.reference) && (!(sum < row.reference[i]+tolerance) || i < 2 && sum < row.reference[i]-tolerance) {
				t.Errorf("%s %s: error %.3f, the reference is %.3f", row.name, column.name, sum, row.reference[i])
			}
		}
	}
}

// groupDRO weights the patterns of availability by how badly they do (Sagawa et
// al., ICLR 2020).
func groupDRO() strategy {
	const rate = 0.01
	q := map[uint64]float64{}
	return func(out Output, b Batch, _ uint64) (weights, dlogits []float32) {
		loss, count := map[uint64]float64{}, map[uint64]float64{}
		for i, a := range b.Availability {
			loss[a] += float64(out.RowLoss[i])
			count[a]++
		}
		total := 0.0
		for a := range count {
			if q[a] == 0 {
				q[a] = 1
			}
		}
		for _, a := range slices.Sorted(maps.Keys(q)) {
			if count[a] > 0 {
				q[a] *= math.Exp(rate * loss[a] / count[a])
			}
			total += q[a]
		}
		for _, a := range b.Availability {
			weights = append(weights, float32(q[a]/total/count[a]))
		}
		for a := range q {
			q[a] /= total
		}
		return weights, nil
	}
}

// irm adds the penalty of IRMv1 (Arjovsky et al. 2019) with the patterns as
// environments, by the products of two halves.
func irm() strategy {
	const weight, anneal = 100, 200
	return func(out Output, b Batch, step uint64) (weights, dlogits []float32) {
		dlogits = make([]float32, len(out.Logits))
		if step < anneal {
			return nil, dlogits
		}
		halves := map[uint64]*[2][]int{}
		for i, a := range b.Availability {
			if halves[a] == nil {
				halves[a] = new([2][]int)
			}
			h := halves[a]
			side := (len(h[0]) + len(h[1])) % 2
			h[side] = append(h[side], i)
		}
		slope := func(rows []int) float64 {
			sum := 0.0
			for _, i := range rows {
				z := float64(out.Logits[i])
				sum += (sigmoid(z) - float64(b.Labels[i])) * z / float64(len(rows))
			}
			return sum
		}
		for _, h := range halves {
			if len(h[0]) == 0 || len(h[1]) == 0 {
				continue
			}
			slopes := [2]float64{slope(h[0]), slope(h[1])}
			for side := range 2 {
				for _, i := range h[side] {
					z := float64(out.Logits[i])
					p := sigmoid(z)
					d := (p*(1-p)*z + p - float64(b.Labels[i])) / float64(len(h[side]))
					dlogits[i] += float32(weight / float64(len(halves)) * slopes[1-side] * d)
				}
			}
		}
		return nil, dlogits
	}
}

// TestMeasure_recipes prints errors against P(Y | do(x)), and AUROC under do, of
// published recipes and of the split by availability on MM-CONF with rotated
// columns: five datasets of 8,000 rows, with the differences to erm and two-sided p values of a paired t
// test. Nothing is tuned.
func TestMeasure_recipes(t *testing.T) {
	const rows, epochs, seeds = 8000, 12, 5
	md := map[string]any{"mode": "enumerate"}
	gce := func(independence, predict string) map[string]any {
		return map[string]any{"independence": independence, "predict": predict, "difficulty": "class"}
	}
	split := func(at, form, predict string) map[string]any {
		return map[string]any{"split": "availability", "mechanism": "confounder", "at": at, "form": form, "predict": predict, "contradicted": "warn"}
	}
	recipes := []struct {
		name   string
		design design
	}{
		{"erm", design{}},
		{"md", design{missingness: md}},
		{"irm", design{strategy: irm}},
		{"groupdro", design{strategy: groupDRO}},
		{"cal", design{branch: map[string]any{"split": "attention"}}},
		{"cal, md", design{branch: map[string]any{"split": "attention"}, missingness: md}},
		{"cabir", design{branch: map[string]any{"recipe": "cabir"}}},
		{"lff", design{branch: map[string]any{"heads": "separate", "independence": "none", "predict": "drop", "difficulty": "class"}}},
		{"gce swap vclub, drop", design{branch: gce("vclub", "drop")}},
		{"gce swap hsic, drop", design{branch: gce("hsic", "drop")}},
		{"gce swap hsic, md, marginal", design{branch: gce("hsic", "marginal"), missingness: md}},
		{"input, drop", design{branch: split("input", "linear", "drop")}},
		{"input, md, drop", design{branch: split("input", "linear", "drop"), missingness: md}},
		{"head", design{branch: split("head", "linear", "marginal")}},
		{"head, md", design{branch: split("head", "linear", "marginal"), missingness: md}},
		{"head, network", design{branch: split("head", "network", "marginal")}},
		{"head, network, md", design{branch: split("head", "network", "marginal"), missingness: md}},
	}
	product := scenarioOf(t, "S2")
	product.Link = scm.Product
	scenarios := map[string]scm.Config{"S2 product": product}
	for _, name := range scm.Scenarios() {
		scenarios[name] = scenarioOf(t, name)
	}
	for _, name := range []string{"S2", "S4", "S2 product", "S3", "S6", "S7", "S0", "S1", "S5"} {
		t.Run(name, func(t *testing.T) {
			var base []float64
			for _, recipe := range recipes {
				d := recipe.design
				d.columns = simColumns
				var found, areas, differences []float64
				for seed := range uint64(seeds) {
					e, area := d.scored(t, scenarios[name], rows, epochs, 1+seed)
					found, areas = append(found, e), append(areas, area)
					if len(base) > int(seed) {
						differences = append(differences, found[seed]-base[seed])
					}
				}
				mean, sd := stat.MeanStdDev(found, nil)
				if base == nil {
					base = found
					t.Logf("%-10s %-28s %.3f (sd %.3f)  auroc %.3f", name, recipe.name, mean, sd, stat.Mean(areas, nil))
					continue
				}
				change, spread := stat.MeanStdDev(differences, nil)
				p := 2 * distuv.StudentsT{Sigma: 1, Nu: seeds - 1}.Survival(math.Abs(change)/spread*math.Sqrt(seeds))
				t.Logf("%-10s %-28s %.3f (sd %.3f)  auroc %.3f  %+.3f  p %.4f", name, recipe.name, mean, sd, stat.Mean(areas, nil), change, p)
			}
		})
	}
}

// TestMeasure_mechanism prints how often the training rows are found to contradict
// the declared mechanism, over twenty datasets of each scenario.
func TestMeasure_mechanism(t *testing.T) {
	const seeds = 20
	for _, rows := range []int{1000, 4000, 20000} {
		for _, name := range scm.Scenarios() {
			verdicts := map[string]map[string]int{MechanismConfounder: {}, MechanismLabel: {}}
			for seed := range uint64(seeds) {
				train, _, _ := draw(t, scenarioOf(t, name), 1+seed, rows, 1)
				for mechanism, count := range verdicts {
					branch := &DualBranch{Split: SplitAvailability, Mechanism: mechanism, Form: FormLinear}
					var parts []*Separation
					for _, p := range separate(t, branch, train, seed) {
						parts = append(parts, p.Separation)
					}
					e := Examine(branch, parts)
					verdict := e.Verdict
					if verdict == "" {
						verdict = "nothing"
					}
					count[verdict]++
				}
			}
			t.Logf("%5d rows  %s  %v", rows, name, verdicts)
		}
	}
}
