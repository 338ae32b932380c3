package stats

import "slices"

// matching is the paired part of two cells: the rows both scored, seed by seed.
type matching struct {
	Matched
	seeds []matchedSeed
}

type matchedSeed struct {
	baseline, variant Sample  // same rows, labels and weights
	rows              []int32 // of the baseline
	clusters          []int64
	patterns          []string
}

// match pairs rows by (seed, unit). A unit counts as the same only if label,
// pattern, patient and weight agree; all that does not match is counted.
func match(task Task, baseline, variant Cell) matching {
	var m matching
	for _, s := range baseline.seeds() {
		if !slices.Contains(variant.seeds(), s) {
			m.UnmatchedSeeds = append(m.UnmatchedSeeds, s)
		}
	}
	for _, v := range variant.Runs {
		i := slices.Index(baseline.seeds(), v.Seed)
		if i < 0 {
			m.UnmatchedSeeds = append(m.UnmatchedSeeds, v.Seed)
			continue
		}
		if rows := m.matchRun(task, baseline.Runs[i], v); len(rows.patterns) > 0 {
			m.Seeds = append(m.Seeds, v.Seed)
			m.seeds = append(m.seeds, rows)
			m.Units += len(rows.patterns)
		} else {
			m.UnmatchedSeeds = append(m.UnmatchedSeeds, v.Seed)
		}
	}
	slices.Sort(m.UnmatchedSeeds)
	return m
}

// matchRun merges two runs, both sorted by unit.
func (m *matching) matchRun(task Task, baseline, variant Run) matchedSeed {
	var s matchedSeed
	var rowsB, rowsV []int32
	b, v := 0, 0
	for b < len(baseline.Units) && v < len(variant.Units) {
		switch {
		case baseline.Units[b] < variant.Units[v]:
			m.UnmatchedUnits++
			b++
			continue
		case baseline.Units[b] > variant.Units[v]:
			m.UnmatchedUnits++
			v++
			continue
		case sameRow(task, baseline, b, variant, v):
			rowsB, rowsV = append(rowsB, int32(b)), append(rowsV, int32(v))
			s.clusters = append(s.clusters, baseline.Clusters[b])
			s.patterns = append(s.patterns, baseline.Patterns[b])
		default:
			m.Conflicting++
		}
		b++
		v++
	}
	m.UnmatchedUnits += len(baseline.Units) - b + len(variant.Units) - v
	s.baseline, s.variant, s.rows = baseline.take(task, rowsB), variant.take(task, rowsV), rowsB
	return s
}

func sameRow(task Task, a Run, i int, b Run, j int) bool {
	for k := range task.LabelWidth() {
		if !sameFloat(a.Labels[i*task.LabelWidth()+k], b.Labels[j*task.LabelWidth()+k]) {
			return false
		}
	}
	return a.Clusters[i] == b.Clusters[j] && a.Patterns[i] == b.Patterns[j] && a.weight(i) == b.weight(j)
}
