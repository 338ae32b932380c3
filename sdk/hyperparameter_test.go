package sdk

import (
	"encoding/json"
	"errors"
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

func TestInfo_Complete(t *testing.T) {
	info := Info{Kind: KindBackbone, Name: "concat", Version: "1.0.0", Hyperparameters: []Hyperparameter{
		{Name: "dropout", Type: Float, Default: 0.1, Max: 0.9},
		{Name: "layers", Type: Int, Default: 2, Min: 1, Max: 8},
	}}
	if err := info.Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := info.Complete(map[string]any{"layers": 3})
	if err != nil {
		t.Fatal(err)
	}
	if got.Float("dropout") != 0.1 || got.Int("layers") != 3 {
		t.Errorf("got %v", got)
	}
	if _, err := info.Complete(map[string]any{"droput": 0.2}); err == nil || !strings.Contains(err.Error(), `did you mean "dropout"`) {
		t.Errorf("got %v, want a suggestion", err)
	}
	if _, err := info.Complete(map[string]any{"temperature": 1}); err == nil || !strings.Contains(err.Error(), "[dropout layers]") {
		t.Errorf("got %v, want the list of names", err)
	}
	info.Hyperparameters = append(info.Hyperparameters, info.Hyperparameters[0])
	if err := info.Validate(); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v, want a duplicate", err)
	}
}

func TestTensor_Check(t *testing.T) {
	h := NewTensor(2, 3)
	if err := h.Check("h", 2, 3); err != nil {
		t.Error(err)
	}
	if err := h.Check("h", 3, 2); CodeOf(err) != CodeBadShape {
		t.Errorf("got %v, want bad_shape", err)
	}
	h.Data = h.Data[:5]
	if err := h.Check("h", 2, 3); CodeOf(err) != CodeBadShape {
		t.Errorf("got %v, want bad_shape", err)
	}
}

func TestTensor_CheckFinite(t *testing.T) {
	h := NewTensor(2, 3)
	h.Data[0] = math.MaxFloat32
	if err := h.CheckFinite("h"); err != nil {
		t.Error(err)
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		h.Data[4] = bad
		err := h.CheckFinite("h")
		if CodeOf(err) != CodeNotFinite || !strings.Contains(err.Error(), "row 1, column 1") {
			t.Errorf("got %v, want not_finite in row 1, column 1", err)
		}
	}
}

func TestError_Is(t *testing.T) {
	err := error(Errorf(CodeDeadline, "no answer in %ds", 5))
	if !errors.Is(err, &Error{Code: CodeDeadline}) || errors.Is(err, &Error{Code: CodePanic}) {
		t.Errorf("errors.Is does not compare codes of %v", err)
	}
	if !Retryable(err) || Retryable(Errorf(CodeNotFinite, "")) || Retryable(nil) {
		t.Error("Retryable: want deadline only")
	}
	if got := CodeOf(errors.New("x")); got != CodeInternal {
		t.Errorf("got %q, want internal", got)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"concat", "transformer", "multimodn"}
	for in, want := range map[string]string{"conact": "concat", "transfomer": "transformer", "xyz": "", "": "", "multimodal": "multimodn"} {
		if got := Nearest(in, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
}
