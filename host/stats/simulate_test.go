package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// simulate draws the test predictions of cells whose quality is known: the
// logit of the event plus noise of the given size.
func simulate(seed uint64, rows int, seeds []int64, noise map[string]float64) []Cell {
	var cells []Cell
	for _, variant := range sortedKeys(noise) {
		c := Cell{Dataset: "d", Backbone: "b", Variant: variant, Trials: 8}
		for _, s := range seeds {
			c.Runs = append(c.Runs, simulateRun(seed, rows, s, variant, noise[variant]))
		}
		cells = append(cells, c)
	}
	return cells
}

// simulateRun gives all variants the same units, patients, patterns and labels.
func simulateRun(seed uint64, rows int, s int64, variant string, noise float64) Run {
	data := rand.New(rand.NewPCG(seed, uint64(s)))
	own := rand.New(rand.NewPCG(seed+uint64(len(variant))<<32+uint64(variant[0]), uint64(s)))
	r := Run{Seed: s}
	for i := range rows {
		z := data.NormFloat64()
		y := 0.0
		if data.Float64() < 1/(1+math.Exp(1-2*z)) {
			y = 1
		}
		p := 1 / (1 + math.Exp(1-2*z-noise*own.NormFloat64()))
		r.Units = append(r.Units, int64(i)*7919%1_000_003)
		r.Clusters = append(r.Clusters, int64(i/2))
		r.Patterns = append(r.Patterns, fmt.Sprintf("p%d", data.IntN(3)))
		r.Labels = append(r.Labels, y)
		r.Scores = append(r.Scores, p)
	}
	return r
}
