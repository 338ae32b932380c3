package search_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/sweeps/search"
)

// proposer draws half of the trials at random and the others between the best one
// and a draw. It depends on everything in the request.
func proposer(source search.Source) func(search.Ask) map[string]any {
	return func(a search.Ask) map[string]any {
		out := map[string]any{}
		best := -1
		for i, t := range a.Trials {
			if t.State == search.Done && (best < 0 || (t.Value < a.Trials[best].Value) == (a.Goal == "minimize")) {
				best = i
			}
		}
		for _, d := range a.Dimensions {
			name := fmt.Sprintf("%s %d %d %d", d.Name, a.Seed, len(a.Refused), len(a.Trials))
			v := d.At(source.Draw(a.Number, name))
			if x, ok := v.(float64); ok && best >= 0 && a.Number%2 == 1 && d.Kind != search.Values && d.Step == 0 {
				if y, ok := a.Trials[best].Point[d.Name].(float64); ok {
					v = (x + y) / 2
				}
			}
			out[d.Name] = v
		}
		return out
	}
}

// mixed is a search with every kind of dimension, a condition and a constraint.
func mixed() search.Config {
	return search.Config{
		Method: search.Outside, Trials: 40, Goal: "maximize", Epochs: 4, Parallel: 3,
		Plugin: &search.Plugin{Name: "outside", Version: "1", Hash: "h"},
		Source: search.Source{Seed: 1, Cell: []string{"d", "b", "v"}},
		Space: search.Space{
			Dimensions: []search.Dimension{
				{Name: "backbone.depth", Type: "int", Kind: search.IntUniform, Min: 1, Max: 4, Step: 1},
				{Name: "backbone.kind", Type: "string", Kind: search.Values, Values: []any{"a", "b"}},
				{Name: "head.dropout", Type: "float", Kind: search.Uniform, Min: 0, Max: 0.5, Step: 0.1, When: `backbone.kind == "a"`},
				{Name: "head.hidden", Type: "int", Kind: search.Values, Values: []any{int64(8), int64(16)}, With: "backbone.kind"},
				{Name: "optimizer.lr", Type: "float", Kind: search.LogUniform, Min: 1e-4, Max: 1e-1},
				{Name: "optimizer.momentum", Type: "float", Kind: search.Values, Values: []any{0.0, 1.0}},
				{Name: "run.width", Type: "int", Kind: search.Value, Values: []any{int64(32)}},
			},
			Constraints: []string{"backbone.depth * head.hidden <= 48"},
		},
	}
}

// Points have the types of the space whatever was in JSON in between, the parameters
// that their conditions ask for, and satisfy the constraints.
func TestMachine_OutsideSpace(t *testing.T) {
	asked := map[int]search.Ask{}
	refused := 0
	own := proposer(search.Source{Seed: 2})
	s := search.Simulation{Workers: 3, Seed: 4, Restore: true, Propose: func(a search.Ask) map[string]any {
		asked[a.Number] = a
		refused = max(refused, len(a.Refused))
		return own(a)
	}}
	f := func(p search.Point, epoch int) float64 { return -math.Abs(math.Log10(p["optimizer.lr"].(float64)) + 2) }
	out, err := search.Simulate(mixed(), f, s)
	if err != nil || !out.Machine.Finished() || len(out.Machine.Trials()) != 40 {
		t.Fatalf("got %v", err)
	}
	conditional := map[bool]int{}
	for _, trial := range out.Machine.Trials() {
		p := trial.Point
		depth, hidden := p["backbone.depth"].(int64), p["head.hidden"].(int64)
		_, dropout := p["head.dropout"].(float64)
		if _, ok := p["optimizer.momentum"].(float64); !ok || depth*hidden > 48 || dropout != (p["backbone.kind"] == "a") || (hidden == 8) != (p["backbone.kind"] == "a") || p["run.width"] != int64(32) {
			t.Errorf("trial %d has %v", trial.Number, p)
		}
		conditional[dropout]++
	}
	if len(conditional) != 2 || refused == 0 {
		t.Errorf("conditions %v, %d refusals: the test shows nothing", conditional, refused)
	}
	last := asked[39]
	var names []string
	for _, d := range last.Dimensions {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"backbone.depth", "backbone.kind", "head.dropout", "optimizer.lr", "optimizer.momentum"}, names); diff != "" {
		t.Errorf("asked dimensions (-want +got):\n%s", diff)
	}
	for _, shown := range last.Trials {
		if settled := shown.Number < 37; settled != (shown.State == search.Done) || settled != (shown.Epoch == 4) || settled == math.IsNaN(shown.Value) {
			t.Errorf("trial 39 sees %+v", shown)
		}
		if names := slices.Sorted(maps.Keys(shown.Point)); slices.Contains(names, "head.hidden") || slices.Contains(names, "run.width") {
			t.Errorf("trial 39 sees %v of trial %d", names, shown.Number)
		}
	}
}

func TestMachine_Judge(t *testing.T) {
	m, err := search.New(mixed())
	if err != nil {
		t.Fatal(err)
	}
	good := func() map[string]any {
		return map[string]any{"backbone.depth": int64(2), "backbone.kind": "b", "head.dropout": 0.2, "optimizer.lr": 0.00123456789, "optimizer.momentum": int64(1)}
	}
	p, allowed, err := m.Judge(good())
	want := search.Point{"backbone.depth": int64(2), "backbone.kind": "b", "head.hidden": int64(16), "optimizer.lr": 0.00123457, "optimizer.momentum": 1.0, "run.width": int64(32)}
	if diff := cmp.Diff(want, p); diff != "" || !allowed || err != nil {
		t.Errorf("allowed %v, %v (-want +got):\n%s", allowed, err, diff)
	}
	for name, c := range map[string]struct {
		key  string
		v    any
		want string
	}{
		"too small":     {"optimizer.lr", 1e-5, "outside"},
		"NaN":           {"optimizer.lr", math.NaN(), "NaN"},
		"infinite":      {"optimizer.lr", math.Inf(1), "outside"},
		"type":          {"optimizer.lr", "fast", "takes a number"},
		"nothing":       {"optimizer.lr", nil, "takes a number"},
		"fraction":      {"backbone.depth", 1.5, "whole number"},
		"between steps": {"head.dropout", 0.15, "between the steps"},
		"choice":        {"backbone.kind", "c", "none of its values"},
		"choice of NaN": {"optimizer.momentum", math.NaN(), "none of its values"},
		"unknown":       {"head.hidden", int64(8), "not asked for"},
	} {
		values := good()
		values[c.key] = c.v
		if p, _, err := m.Judge(values); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.key) {
			t.Errorf("%s: got %v, %v, want an error about %q", name, p, err, c.want)
		}
	}
	values := good()
	delete(values, "optimizer.lr")
	if _, _, err := m.Judge(values); err == nil || !strings.Contains(err.Error(), "no value of optimizer.lr") {
		t.Errorf("without a value: got %v", err)
	}
	values = good()
	values["backbone.depth"] = int64(4)
	if _, allowed, err := m.Judge(values); allowed || err != nil {
		t.Errorf("a point that a constraint refuses: got %v, %v", allowed, err)
	}
}

// A point that nobody has asked for changes nothing.
func TestMachine_OfferUnasked(t *testing.T) {
	m, err := search.New(mixed())
	if err != nil {
		t.Fatal(err)
	}
	p := search.Point{"backbone.depth": 1.0}
	for _, number := range []int{-1, 1, 40} {
		if actions, err := m.Handle(search.Offer(number, p)); len(actions) > 0 || err != nil || len(m.Trials()) > 0 {
			t.Errorf("a point for trial %d: got %v, %v", number, actions, err)
		}
	}
	for number := range 3 { // then trial 0 has to end
		if actions, err := m.Handle(search.Offer(number, search.Point{"x": number})); len(actions) != 1 || err != nil {
			t.Fatalf("trial %d: got %v, %v", number, actions, err)
		}
	}
	if actions, err := m.Handle(search.Offer(3, p)); len(actions) > 0 || err != nil || len(m.Trials()) != 3 {
		t.Errorf("too early: got %v, %v", actions, err)
	}
	if ask, wanted := m.Ask(); wanted {
		t.Errorf("asks %+v", ask)
	}
}
