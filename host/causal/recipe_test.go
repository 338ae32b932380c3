package causal

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// recipe is one case of testdata/recipes.json.
type recipe struct {
	Recipe, Task   string
	Classes, Epoch int
	Step           uint64
	Swap           []int // the permutation of the swap
	H, Weights     []float32
	Labels         []*float32
	// Parameters and Gradients are by group and name.
	Parameters, Gradients map[string][]float64
	Loss                  float64
	DH                    []float64
}

// DisC, CAL and CaBiR as recipes of the dual branch have the objectives, and the
// gradients with respect to h and every parameter, of their equations in PyTorch.
func TestRecipes_PyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/recipes.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []recipe
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range cases {
		seen[c.Recipe] = true
		t.Run(fmt.Sprintf("%s/%s/%d", c.Recipe, c.Task, c.Epoch), c.check)
	}
	for name := range recipes {
		if !seen[name] {
			t.Errorf("recipe %s has no case", name)
		}
	}
}

func (c recipe) check(t *testing.T) {
	branch, err := ParseDualBranch(map[string]any{"recipe": c.Recipe})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Task: Task{Kind: c.Task, Classes: c.Classes}, Width: testWidth, Modalities: testModalities, Hidden: 7, Epochs: 6, Seed: 11,
		Optimizer: nn.OptimizerConfig{Name: "sgd", LearningRate: 0.01}, DualBranch: branch,
	}
	labels := make([]float32, len(c.Labels))
	for i, y := range c.Labels {
		labels[i] = float32(math.NaN())
		if y != nil {
			labels[i] = *y
		}
	}
	rows := len(c.Weights)
	tr := Training{Availability: slices.Repeat([]uint64{7}, rows), Labels: labels}
	if got := rng.Stream(cfg.Seed, "swap", c.Step).Perm(rows); !slices.Equal(got, c.Swap) {
		t.Fatalf("the fixture swaps %v, the head %v", c.Swap, got)
	}
	h, err := New(cfg, tr)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range h.groups {
		for _, p := range g.params.All() {
			name := g.name + "/" + p.Name
			values, ok := c.Parameters[name]
			switch {
			case ok && len(values) == len(p.Value):
				for i, v := range values {
					p.Value[i] = float32(v)
				}
			default:
				t.Fatalf("the fixture has %d values for %s of %d", len(values), name, len(p.Value))
			}
		}
	}
	batch := Batch{Availability: tr.Availability, Labels: labels}
	for i := range rows {
		batch.Positions = append(batch.Positions, int32(i))
	}
	if _, err := h.Forward(c.H, batch, c.Epoch, c.Step); err != nil {
		t.Fatal(err)
	}
	dh, terms, err := h.Gradient(c.Weights, nil)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "objective", (&reference{head: h}).sum(terms), c.Loss, 1e-5)
	closeTo(t, "dh", widen(dh), c.DH)
	for _, g := range h.groups {
		for _, p := range g.params.All() {
			name := g.name + "/" + p.Name
			want := c.Gradients[name]
			if want == nil {
				want = make([]float64, len(p.Grad))
			}
			closeTo(t, name, widen(p.Grad), want)
		}
	}
}

// Settings that are complete with the defaults that a recipe has, as a sweep sends
// them, mean the same as the recipe alone; other splits keep the declared defaults.
func TestDualBranchDefaults(t *testing.T) {
	for _, given := range []map[string]any{
		{"recipe": RecipeDisC}, {"recipe": RecipeCAL}, {"recipe": RecipeCaBiR, "swap_start": 0.4}, {"split": SplitAttention}, {},
	} {
		whole := map[string]any{}
		for _, p := range DualBranchParameters() {
			if p.Default != nil {
				whole[p.Name] = p.Default
			}
		}
		maps.Copy(whole, DualBranchDefaults(given))
		maps.Copy(whole, given)
		want, err := ParseDualBranch(given)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseDualBranch(whole)
		if err != nil {
			t.Errorf("%v, complete: %v", given, err)
		} else if *got != *want {
			t.Errorf("%v is %+v alone and %+v complete", given, *want, *got)
		}
	}
	if d, err := ParseDualBranch(map[string]any{"recipe": RecipeCAL}); err != nil || d.Split != SplitAttention || d.BiasWeight != 0.5 || d.SwapWeight != 0.5 || d.Predict != PredictDrop {
		t.Errorf("cal is %+v, %v", d, err)
	}
}

// closeTo compares to 1e-5 of the largest.
func closeTo(t *testing.T, what string, got, want []float64) {
	t.Helper()
	size := 1e-3
	for _, v := range want {
		size = max(size, math.Abs(v))
	}
	for i, v := range want {
		if off := math.Abs(got[i]-v) / size; !(off <= 1e-5) {
			t.Errorf("%s, value %d: got %v, want %v (off by %.1e of the largest)", what, i, got[i], v, off)
			return
		}
	}
}
