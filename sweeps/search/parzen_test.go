package search

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

func fixture(t *testing.T, name string, to any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatal(err)
	}
}

// The densities are those of Optuna.
func TestParzen_Optuna(t *testing.T) {
	space := []*Dimension{
		{Name: "a", Kind: Uniform, Min: -2, Max: 5},
		{Name: "b", Kind: LogUniform, Min: 1e-5, Max: 1e-1},
		{Name: "c", Kind: IntUniform, Min: 1, Max: 900, Step: 1},
		{Name: "d", Kind: Uniform, Min: 0, Max: 1, Step: 0.0078125},
		{Name: "e", Kind: Values, Values: []any{"x", "y", "z"}},
		{Name: "f", Kind: LogUniform, Min: 1, Max: 4096, Step: 1},
	}
	var cases []struct {
		Seen, At   [][]float64
		LogDensity []float64 `json:"log_density"`
	}
	fixture(t, "parzen.json", &cases)
	checked := 0
	for _, c := range cases {
		p := newParzen(space, c.Seen)
		for i, x := range c.At {
			checked++
			if got, want := p.logDensity(x), c.LogDensity[i]; math.Abs(got-want) > 1e-8*math.Max(1, math.Abs(want)) {
				t.Errorf("%d observations, point %d: log density %v, want %v", len(c.Seen), i, got, want)
			}
		}
	}
	if checked != 8*12 {
		t.Errorf("checked %d densities", checked)
	}
}

// What is sampled from a density has that density: the share of samples in each
// cell of a quantised range is its probability.
func TestParzen_Sample(t *testing.T) {
	d := &Dimension{Name: "n", Type: "int", Kind: IntUniform, Min: 0, Max: 4, Step: 1}
	p := newParzen([]*Dimension{d}, [][]float64{{1}, {1}, {3}})
	rng := Source{Seed: 1}.stream(0, "test")
	counts, n := map[any]int{}, 20000
	for range n {
		counts[p.sample(rng)[0]]++
	}
	for v := range int64(5) {
		share, want := float64(counts[v])/float64(n), math.Exp(p.logDensity([]float64{float64(v)}))
		if math.Abs(share-want) > 5*math.Sqrt(want*(1-want)/float64(n)) {
			t.Errorf("value %d: share %v, want %v", v, share, want)
		}
	}
}
