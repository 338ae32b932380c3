package sweeps

import "maps"

// gridLimit bounds the product of a grid in one cell.
const gridLimit = 10_000

// gridSize is the number of combinations in one cell, at most gridLimit+1.
func gridSize(apply []*Distribution) int {
	size := int64(1)
	for _, d := range apply {
		n := int64(1)
		switch d.Kind {
		case "values":
			n = int64(len(d.Values))
		case "uniform", "int_uniform":
			n = d.steps()
		}
		if n > gridLimit {
			return gridLimit + 1
		}
		if size *= n; size > gridLimit {
			return gridLimit + 1
		}
	}
	return int(size)
}

// gridTrials enumerates the product; the alphabetically last parameter moves
// fastest.
func gridTrials(apply []*Distribution) []Settings {
	out := []Settings{{}}
	for _, d := range apply {
		var next []Settings
		for _, settings := range out {
			for _, v := range d.All() {
				extended := maps.Clone(settings)
				extended[d.Name] = v
				next = append(next, extended)
			}
		}
		out = next
	}
	return out
}
