package sdk

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestHyperparameter_Check(t *testing.T) {
	rate := Hyperparameter{Name: "rate", Type: Float, Default: 0.1, Max: 0.9}
	heads := Hyperparameter{Name: "heads", Type: Int, Default: 4, Min: 1, Max: math.Inf(1)}
	free := Hyperparameter{Name: "free", Type: Float, Default: 0.0}
	mode := Hyperparameter{Name: "mode", Type: String, Default: "gated", Values: []string{"gated", "summed"}}
	on := Hyperparameter{Name: "on", Type: Bool, Default: true}
	for _, c := range []struct {
		h    Hyperparameter
		in   any
		want any
		text string // part of the error; empty for none
	}{
		{rate, 0.5, 0.5, ""},
		{rate, int64(0), 0.0, ""},
		{rate, 0.91, nil, "from 0 to 0.9"},
		{rate, math.NaN(), nil, "finite"},
		{rate, "0.5", nil, `is "0.5"`},
		{rate, nil, nil, "<nil>"},
		{heads, 8, int64(8), ""},
		{heads, 8.0, int64(8), ""},
		{heads, 8.5, nil, "an integer of at least 1"},
		{heads, int64(0), nil, "an integer of at least 1"},
		{heads, math.Inf(1), nil, "an integer"},
		{free, -1e9, -1e9, ""},
		{mode, "summed", "summed", ""},
		{mode, "sumed", nil, `did you mean "summed"`},
		{mode, 1, nil, "one of gated, summed"},
		{on, false, false, ""},
		{on, 1, nil, "true or false"},
	} {
		got, err := c.h.Check(c.in)
		if got != c.want {
			t.Errorf("%s: Check(%v) = %v (%T), want %v (%T)", c.h.Name, c.in, got, got, c.want, c.want)
		}
		switch {
		case c.text == "" && err != nil:
			t.Errorf("%s: Check(%v): %v", c.h.Name, c.in, err)
		case c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text) || CodeOf(err) != CodeBadRequest):
			t.Errorf("%s: Check(%v) error %v, want bad_request with %q", c.h.Name, c.in, err, c.text)
		}
	}
}

func TestHyperparameter_Validate(t *testing.T) {
	for name, h := range map[string]Hyperparameter{
		"name":    {Name: "Rate", Type: Float, Default: 1.0},
		"type":    {Name: "rate", Type: "number", Default: 1.0},
		"default": {Name: "rate", Type: Float, Default: 2.0, Max: 1},
		"none":    {Name: "rate", Type: Float},
		"bounds":  {Name: "rate", Type: Float, Default: 1.0, Min: 2, Max: 1},
		"log":     {Name: "rate", Type: Float, Default: 1.0, Max: 1, Log: true},
	} {
		if err := h.Validate(); CodeOf(err) != CodeBadRequest {
			t.Errorf("%s: got %v, want bad_request", name, err)
		}
	}
	good := Hyperparameter{Name: "lr", Type: Float, Default: 1e-3, Min: 1e-5, Max: 1, Log: true}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestHyperparameter_JSON(t *testing.T) {
	text, err := json.Marshal(Hyperparameter{Name: "heads", Type: Int, Default: 4, Min: 1, Max: math.Inf(1)})
	if want := `{"name":"heads","type":"int","default":4,"min":1}`; err != nil || string(text) != want {
		t.Errorf("got %s (%v), want %s", text, err, want)
	}
}
