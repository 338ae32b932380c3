package stats

import (
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk/rng"
)

// Joint looks at the cells of several tables together: variants over blocks, each
// a dataset and backbone. Only blocks in which every variant has a value count.
type Joint struct {
	Variants []string `json:"variants"`
	Blocks   []string `json:"blocks"` // dataset/backbone
	// Friedman is nil if it was not asked for.
	Friedman *Ranked `json:"friedman,omitempty"`
	// IQM and Improvement follow Variants; nil if not asked for. Improvement of the
	// baseline is not defined.
	IQM         []Interval `json:"iqm,omitempty"`
	Improvement []Interval `json:"probability_of_improvement,omitempty"`
	// Notes are reasons for doubt.
	Notes []string `json:"notes,omitempty"`
}

// Summarize does the joint tests of an analysis on tables of the same metric and
// baseline. It is nil if none is asked for.
func Summarize(tables []Table, tests []Test, seed uint64) *Joint {
	asked := func(t Test) bool { return slices.Contains(tests, t) }
	if len(tables) == 0 || !slices.ContainsFunc(JointTests(), asked) {
		return nil
	}
	var j Joint
	blocks, missing := j.collect(tables)
	first := tables[0]
	if missing > 0 {
		j.note("%d planned runs are missing", missing)
	}
	if asked(TestFriedman) {
		means := make([][]float64, len(blocks))
		for i, rows := range blocks {
			for _, r := range rows {
				means[i] = append(means[i], float64(r.Overall.Mean.Estimate))
			}
		}
		ranked := Friedman(means, first.Better, first.Confidence)
		j.Friedman = &ranked
		switch {
		case len(blocks) < 2:
			j.note("friedman needs two complete blocks (dataset and backbone)")
		case slices.ContainsFunc(tables, func(t Table) bool { return shareDataset(t, blocks) }):
			j.note("friedman: backbones on one dataset share its patients, so that the blocks are not independent and p may be too small")
		}
	}
	for v, variant := range j.Variants {
		if asked(EstimateIQM) {
			strata := make([][]float64, len(blocks))
			for i, rows := range blocks {
				for _, value := range rows[v].Overall.PerSeed {
					strata[i] = append(strata[i], float64(value))
				}
			}
			j.IQM = append(j.IQM, StratifiedIQM(strata, first.Resamples, first.Confidence, rng.Stream(seed, "iqm", variant)))
		}
		if asked(EstimateImprovement) {
			j.Improvement = append(j.Improvement, improvementOf(first, blocks, v))
		}
	}
	if asked(EstimateIQM) || asked(EstimateImprovement) {
		j.note("intervals of iqm and probability_of_improvement are about seeds alone, on these patients")
	}
	if asked(EstimateIQM) && len(first.Seeds) < fewestIQM {
		j.note("iqm has no interval with %d seeds: it needs %d in some dataset and backbone", len(first.Seeds), fewestIQM)
	}
	return &j
}

func (j *Joint) note(format string, args ...any) {
	j.Notes = append(j.Notes, fmt.Sprintf(format, args...))
}

// collect fills Variants and Blocks. The answer is, for every block, the rows in
// the order of Variants, and the number of runs that these rows lack.
func (j *Joint) collect(tables []Table) (blocks [][]*Row, missing int) {
	type block struct{ dataset, backbone string }
	var order []block
	rows := map[block]map[string]*Row{}
	for _, t := range tables {
		for i := range t.Rows {
			r := &t.Rows[i]
			b := block{r.Dataset, r.Backbone}
			if rows[b] == nil {
				rows[b] = map[string]*Row{}
				order = append(order, b)
			}
			rows[b][r.Variant] = r
			if !slices.Contains(j.Variants, r.Variant) {
				j.Variants = append(j.Variants, r.Variant)
			}
			missing += max(0, len(t.Seeds)-len(r.Seeds))
		}
	}
	for _, b := range order {
		var complete []*Row
		for _, v := range j.Variants {
			if r := rows[b][v]; r != nil && r.Overall.Mean.Estimate.Defined() {
				complete = append(complete, r)
			}
		}
		name := b.dataset + "/" + b.backbone
		if len(complete) < len(j.Variants) {
			j.note("%s is left out: not every variant has a value there", name)
			continue
		}
		j.Blocks = append(j.Blocks, name)
		blocks = append(blocks, complete)
	}
	return blocks, missing
}

// shareDataset reports whether two blocks are of the table's dataset.
func shareDataset(t Table, blocks [][]*Row) bool {
	n := 0
	for _, rows := range blocks {
		if len(t.Rows) > 0 && rows[0].Dataset == t.Rows[0].Dataset {
			n++
		}
	}
	return n > 1
}

// improvementOf compares the v-th variant with the baseline, block by block.
func improvementOf(t Table, blocks [][]*Row, v int) Interval {
	none := Interval{Number(math.NaN()), Number(math.NaN()), Number(math.NaN())}
	var strata [][]Matchup
	for _, rows := range blocks {
		variant := rows[v]
		if variant.IsBaseline {
			return none
		}
		at := slices.IndexFunc(rows, func(r *Row) bool { return r.IsBaseline })
		if at < 0 {
			return none
		}
		var stratum []Matchup
		for i, s := range variant.Seeds {
			if k := slices.Index(rows[at].Seeds, s); k >= 0 {
				stratum = append(stratum, Matchup{float64(rows[at].Overall.PerSeed[k]), float64(variant.Overall.PerSeed[i])})
			}
		}
		strata = append(strata, stratum)
	}
	if len(blocks) == 0 {
		return none
	}
	return ImprovementProbability(strata, t.Better, t.Confidence)
}
