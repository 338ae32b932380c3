package search

import "math/rand/v2"

// Cost is what the search of a cell takes.
type Cost struct {
	Trials int `json:"trials"` // that are trained
	// Epochs of all trials together: the most there can be, and what is expected
	// where the trials come in random order and keep their rank while they train.
	// Without a stopping rule the two are equal.
	Worst    int     `json:"worst_epochs"`
	Expected float64 `json:"expected_epochs"`
}

// costEvents bounds the work of an estimate: it averages over as many orders as
// make so many events, at least costLeast and at most
// costMost.
const (
	costEvents = 10_000
	costLeast  = 4
	costMost   = 64
)

// CostOf simulates what a number of trials of so many epochs take under a stopping
// rule, which may be nil.
func CostOf(trials, epochs int, stop *Stop) (Cost, error) {
	out := Cost{Trials: trials, Worst: trials * epochs, Expected: float64(trials * epochs)}
	if trials == 0 || len(stop.Rungs(epochs)) == 0 {
		return out, nil
	}
	orders := min(max(costLeast, costEvents/trials), costMost)
	total := 0
	for i := range orders {
		config := Config{
			Method: "random", Trials: trials, Goal: "maximize", Epochs: epochs, Stop: stop,
			Source: Source{Seed: rand.New(rand.NewPCG(uint64(i), 1)).Int()},
			Space:  Space{Dimensions: []Dimension{{Name: "rank", Kind: Uniform, Max: 1}}},
		}
		s, err := Simulate(config, func(p Point, _ int) float64 { v, _ := p["rank"].(float64); return v }, Simulation{})
		if err != nil {
			return Cost{}, err
		}
		total += s.Epochs
	}
	out.Expected = float64(total) / float64(orders)
	return out, nil
}
