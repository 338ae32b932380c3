package stats

import (
	"slices"

	"github.com/deconfound/deconfound/sdk/rng"
)

// block is variants of one dataset and backbone that were matched with the baseline
// on the same rows. They are resampled together: what depends on the draw and on the
// baseline alone is done once.
type block struct {
	dataset, backbone string
	rows              []int // of the table
	matchings         []*matching
}

// drawnDifference is that of a target, seed by seed and over them.
type drawnDifference struct {
	perSeed []float64
	Replicated
}

// The names of the targets that are no pattern; a pattern's name is never empty and
// has no space.
const (
	allRows      = ""
	worstPattern = "the worst pattern"
)

// newBlocks gathers the rows of a table; matchings has nil where there is nothing to
// compare.
func newBlocks(rows []Row, matchings []*matching) []*block {
	var out []*block
	for i, m := range matchings {
		if m == nil {
			continue
		}
		k := slices.IndexFunc(out, func(b *block) bool {
			return b.dataset == rows[i].Dataset && b.backbone == rows[i].Backbone && b.matchings[0].sameRows(m)
		})
		if k < 0 {
			k = len(out)
			out = append(out, &block{dataset: rows[i].Dataset, backbone: rows[i].Backbone})
		}
		out[k].rows, out[k].matchings = append(out[k].rows, i), append(out[k].matchings, m)
	}
	return out
}

// sameRows says whether both have the same rows of the same baseline.
func (m *matching) sameRows(other *matching) bool {
	return slices.Equal(m.Seeds, other.Seeds) && slices.EqualFunc(m.seeds, other.seeds, func(a, b matchedSeed) bool {
		return slices.Equal(a.rows, b.rows)
	})
}

// differences are those of every variant, by the name of the target. They are
// bootstrapped unless that was not asked for or one seed is matched. Every variant of
// a dataset and backbone sees the same draws of patients.
func (b *block) differences(in Input) ([]map[string]drawnDifference, error) {
	names := []string{allRows, worstPattern}
	for _, s := range b.matchings[0].seeds {
		for _, name := range s.patterns {
			if name != "" && !slices.Contains(names[targetPattern:], name) {
				names = append(names, name)
			}
		}
	}
	pairs, clusters, err := b.pairs(in, names)
	if err != nil {
		return nil, err
	}
	worse := in.Metric.Better().worse
	perSeed := newMeasure(pairs, len(b.rows), clusters, len(names), worse).perSeed()
	var replicated [][]Replicated
	if len(pairs) > 1 && slices.Contains(in.Tests, TestBootstrap) {
		replicated = resample(pairs, len(b.rows), clusters, len(names), worse, in.Bootstrap, rng.Stream(in.Seed, "compare", b.dataset, b.backbone))
	}
	out := make([]map[string]drawnDifference, len(b.rows))
	for v := range out {
		out[v] = map[string]drawnDifference{}
		for t, name := range names {
			d := drawnDifference{perSeed: perSeed[v][t]}
			if replicated != nil {
				d.Replicated = replicated[v][t]
			}
			out[v][name] = d
		}
	}
	return out, nil
}

// pairs prepares the evaluators of every seed: all rows, and every pattern of names
// that has enough events. clusters is the number of patients.
func (b *block) pairs(in Input, names []string) (pairs []pair, clusters int, err error) {
	var all []int64
	first := b.matchings[0]
	for _, s := range first.seeds {
		all = append(all, s.clusters...)
	}
	index, clusters := indexClusters(all)
	for k, s := range first.seeds {
		n := len(s.clusters)
		p := pair{weights: s.baseline.Weights, cluster: index[:n]}
		index = index[n:]
		arms := []Sample{s.baseline}
		for _, m := range b.matchings {
			arms = append(arms, m.seeds[k].variant)
		}
		add := func(target int, rows []int32) error {
			g, ok, err := newArms(target, in.Task, in.Metric, arms, rows)
			if ok {
				p.groups = append(p.groups, g)
			}
			return err
		}
		if err := add(targetOverall, sequence(n)); err != nil {
			return nil, 0, err
		}
		levels := byLevel(s.patterns, sequence(n))
		for _, name := range sortedKeys(levels) {
			if err := add(targetPattern+slices.Index(names[targetPattern:], name), levels[name]); err != nil {
				return nil, 0, err
			}
		}
		pairs = append(pairs, p)
	}
	return pairs, clusters, nil
}
