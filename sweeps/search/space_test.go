package search_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/deconfound/deconfound/sweeps/search"
)

func TestDimension_At(t *testing.T) {
	number := func(v any) float64 {
		switch x := v.(type) {
		case int64:
			return float64(x)
		case float64:
			return x
		}
		return math.NaN()
	}
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(1e-6, 10).Draw(t, "min")
		d := search.Dimension{
			Kind: rapid.SampledFrom([]string{search.Uniform, search.LogUniform}).Draw(t, "kind"),
			Min:  low, Max: low * rapid.Float64Range(1.5, 1e4).Draw(t, "factor"),
		}
		if rapid.Bool().Draw(t, "quantised") {
			d.Step = (d.Max - d.Min) / rapid.Float64Range(1, 50).Draw(t, "steps")
		}
		u := rapid.Float64Range(0, 1-1e-16).Draw(t, "u")
		if x := number(d.At(u)); !(x >= d.Min*(1-1e-11) && x <= d.Max*(1+1e-11)) {
			t.Fatalf("got %v outside [%v, %v]", d.At(u), d.Min, d.Max)
		}
	})
	d := search.Dimension{Kind: search.IntUniform, Min: 3, Max: 9, Step: 3}
	if diff := cmp.Diff([]any{int64(3), int64(6), int64(9)}, d.All()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{int64(3), int64(6), int64(9)}, []any{d.At(0), d.At(0.34), d.At(0.999)}); diff != "" {
		t.Error(diff)
	}
}

// Draws are uniform and independent of each other, roughly.
func TestSource_Draw(t *testing.T) {
	sum, n := 0.0, 2000
	source := search.Source{Seed: 1, Cell: []string{"d", "b", "v"}}
	for i := range n {
		u := source.Draw(i, "p")
		if u < 0 || u >= 1 {
			t.Fatalf("got %v", u)
		}
		sum += u
	}
	if mean := sum / float64(n); math.Abs(mean-0.5) > 0.02 {
		t.Errorf("got mean %v, want 0.5", mean)
	}
	if (search.Source{Cell: []string{"ab", "c", "v"}}).Draw(0, "p") == (search.Source{Cell: []string{"a", "bc", "v"}}).Draw(0, "p") {
		t.Error("two cells share their draws")
	}
}

// tree is a space with everything: a condition on a parameter, one on the cell, a
// parameter that follows another, and a constraint.
var tree = search.Space{
	Cell: search.Cell{Dataset: "nafld", Backbone: "concat", Variant: "md"},
	Dimensions: []search.Dimension{
		{Name: "backbone.layers", Type: "int", Kind: search.IntUniform, Min: 1, Max: 4, Step: 1},
		{Name: "backbone.width", Type: "int", Kind: search.Values, Values: []any{int64(32), int64(64), int64(128)}},
		{Name: "head.dropout", Type: "float", Kind: search.Values, Values: []any{0.0, 0.1, 0.2}, With: "backbone.width"},
		{Name: "optimizer.lr", Type: "float", Kind: search.LogUniform, Min: 1e-4, Max: 1e-1},
		{Name: "optimizer.momentum", Type: "float", Kind: search.Uniform, Min: 0, Max: 1, When: "optimizer.name == 'sgd' and variant == 'md'"},
		{Name: "optimizer.name", Type: "string", Kind: search.Values, Values: []any{"adam", "sgd"}},
	},
	Constraints: []string{"backbone.layers * backbone.width <= 256", "optimizer.momentum < 0.9"},
}

// Every sampler respects conditions, constraints and followers, also after its
// points were JSON.
func TestSpace_Respected(t *testing.T) {
	for _, method := range search.Methods {
		c := search.Config{
			Method: method, Trials: 60, Goal: "minimize", Epochs: 1, Startup: 10, Parallel: 2, Space: tree,
			Source: search.Source{Seed: 1, Cell: []string{"nafld", "concat", "md"}},
		}
		if method == search.Outside {
			c.Plugin = &search.Plugin{Name: "outside", Settings: map[string]any{"share": 0.5}}
		}
		if method == "grid" {
			c.Space.Dimensions = nil
			for _, d := range tree.Dimensions {
				if d.Kind == search.Uniform {
					d.Step = 0.25
				}
				if d.Name != "optimizer.lr" {
					c.Space.Dimensions = append(c.Space.Dimensions, d)
				}
			}
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var stored search.Config
		if err := json.Unmarshal(text, &stored); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, stored); diff != "" {
			t.Errorf("%s as JSON (-was +is):\n%s", method, diff)
		}
		s, err := search.Simulate(c, func(p search.Point, _ int) float64 {
			width, _ := p["backbone.width"].(int64)
			momentum, _ := p["optimizer.momentum"].(float64)
			return float64(width) + momentum
		}, search.Simulation{Workers: 2, Seed: 1, Restore: true, Propose: proposer(search.Source{Seed: 3})})
		if err != nil {
			t.Fatal(err)
		}
		sgd := 0
		for _, tr := range s.Machine.Trials() {
			p := tr.Point
			momentum, has := p["optimizer.momentum"].(float64)
			if has != (p["optimizer.name"] == "sgd") || momentum >= 0.9 {
				t.Errorf("%s: got %v", method, p)
			}
			if has {
				sgd++
			}
			width, _ := p["backbone.width"].(int64)
			layers, _ := p["backbone.layers"].(int64)
			dropout, _ := p["head.dropout"].(float64)
			if width*layers > 256 || width == 0 || layers == 0 || dropout != map[int64]float64{32: 0, 64: 0.1, 128: 0.2}[width] {
				t.Errorf("%s: got %v", method, p)
			}
		}
		if sgd == 0 || sgd == len(s.Machine.Trials()) {
			t.Errorf("%s: %d of %d trials have the conditional parameter", method, sgd, len(s.Machine.Trials()))
		}
		if !s.Machine.Feasible() {
			t.Errorf("%s: the space counts as empty", method)
		}
		if method == "grid" {
			// 9 of the 12 sizes fit; adam, or sgd with 4 momenta below 0.9.
			if got := len(s.Machine.Trials()); got != 10*(1+4) {
				t.Errorf("grid: got %d points", got)
			}
		}
	}
}

// Constraints that leave nothing are found out, and conditions that depend on
// each other are refused.
func TestSpace_Impossible(t *testing.T) {
	c := functions["camel"].config("random", 3, 0)
	for _, method := range []string{"random", "sobol", "tpe"} {
		c.Method = method
		c.Space.Constraints = []string{"optimizer.x > 2"}
		c.Space.Dimensions = []search.Dimension{{Name: "optimizer.x", Kind: search.Uniform, Max: 1}}
		s, err := search.Simulate(c, training, search.Simulation{})
		if err != nil || s.Machine.Feasible() || !s.Machine.Finished() {
			t.Errorf("%s: got %v", method, err)
		}
	}
	c.Space.Constraints = nil
	c.Space.Dimensions = []search.Dimension{
		{Name: "head.a", Kind: search.Uniform, Max: 1, When: "head.b > 0"}, {Name: "head.b", Kind: search.Uniform, Max: 1, When: "head.a > 0"},
	}
	if _, err := search.New(c); err == nil {
		t.Error("a circle of conditions was accepted")
	}
}

// A random value depends on seed, cell, trial and name: neither more trials nor
// another parameter change it.
func TestRandom_Stable(t *testing.T) {
	c := functions["camel"].config("random", 5, 3)
	want := simulate(t, c, search.Simulation{}).Machine.Trials()
	c.Trials = 8
	c.Space.Dimensions = append([]search.Dimension{{Name: "a", Kind: search.Uniform, Max: 1}}, c.Space.Dimensions...)
	got := simulate(t, c, search.Simulation{}).Machine.Trials()
	for i, w := range want {
		if got[i].Point["x0"] != w.Point["x0"] || got[i].Point["x1"] != w.Point["x1"] {
			t.Errorf("trial %d: got %v, want %v", i, got[i].Point, w.Point)
		}
	}
}
