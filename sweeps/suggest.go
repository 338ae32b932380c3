package sweeps

import (
	"fmt"
	"slices"
	"strings"
)

// suggest returns "; did you mean ...?" if one of the known words is near, else
// "; known: ...". It returns "" if nothing is known.
func suggest(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(known))
	best, distance := "", max(1, len(word)/3)+1
	for _, k := range sorted {
		if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; known: " + strings.Join(sorted, ", ")
}

// editDistance counts insertions, deletions, substitutions and exchanges of two
// neighbours (optimal string alignment).
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}
