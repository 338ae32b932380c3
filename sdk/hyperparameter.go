package sdk

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
)

// Type is the type of a hyperparameter.
type Type string

const (
	Float  Type = "float"  // float64
	Int    Type = "int"    // int64
	Bool   Type = "bool"   // bool
	String Type = "string" // string, one of Values
)

// Hyperparameter declares one setting of a plugin, so that the host can check a
// sweep before anything starts.
type Hyperparameter struct {
	// Name: lower case letters, digits and _.
	Name string
	Type Type
	// Default has the type's Go type: float64, int64 (int is taken too), bool or
	// string.
	Default any
	// Min and Max are inclusive bounds of a number. Both 0 means no bounds; use
	// math.Inf for one open end.
	Min, Max float64
	// Values are the choices of a string; empty takes any.
	Values []string
	// Log advises to search on a logarithmic scale.
	Log bool
	// Unit is what a number counts, if that is a part of training: the host warns of
	// a value that a run does not reach.
	Unit Unit
	// Text says what it does, in one sentence.
	Text string
}

// Unit is a measure of the length of training.
type Unit string

const (
	Steps  Unit = "steps"  // batches
	Epochs Unit = "epochs" // passes over the training rows
)

// Values are hyperparameters by name, in canonical Go types. A session gets them
// checked and complete, so the accessors never fail there; for a name that was
// not declared they return the zero value.
type Values map[string]any

// Float is the value of a hyperparameter of type Float.
func (v Values) Float(name string) float64 { x, _ := v[name].(float64); return x }

// Int is the value of a hyperparameter of type Int.
func (v Values) Int(name string) int { x, _ := v[name].(int64); return int(x) }

// Bool is the value of a hyperparameter of type Bool.
func (v Values) Bool(name string) bool { x, _ := v[name].(bool); return x }

// String is the value of a hyperparameter of type String.
func (v Values) String(name string) string { x, _ := v[name].(string); return x }

var hyperparameterPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// Validate reports what makes a declaration unusable, with code bad_request.
func (h Hyperparameter) Validate() error {
	if !hyperparameterPattern.MatchString(h.Name) {
		return Errorf(CodeBadRequest, "hyperparameter name %q must start with a lower case letter and hold a-z, 0-9 and _", h.Name)
	}
	switch h.Type {
	case Float, Int:
		if math.IsNaN(h.Min) || math.IsNaN(h.Max) || h.Min > h.Max {
			return Errorf(CodeBadRequest, "hyperparameter %s has bounds %v to %v", h.Name, h.Min, h.Max)
		}
		if h.Log && !(h.bounded() && h.Min > 0) {
			return Errorf(CodeBadRequest, "hyperparameter %s is logarithmic, so its minimum must be above 0", h.Name)
		}
	case Bool, String:
	default:
		return Errorf(CodeBadRequest, "hyperparameter %s has unknown type %q", h.Name, h.Type)
	}
	if h.Unit != "" && (h.Unit != Steps && h.Unit != Epochs || h.Type != Float && h.Type != Int) {
		return Errorf(CodeBadRequest, "hyperparameter %s of type %s counts unknown %q", h.Name, h.Type, h.Unit)
	}
	if h.Default == nil {
		return Errorf(CodeBadRequest, "hyperparameter %s has no default", h.Name)
	}
	if _, err := h.Check(h.Default); err != nil {
		return fmt.Errorf("default: %w", err)
	}
	return nil
}

// Check returns v in the canonical Go type of the hyperparameter, or an error
// with code bad_request that names the hyperparameter and what it takes. An
// integer is taken for a float, and a float without a fraction for an integer.
func (h Hyperparameter) Check(v any) (any, error) {
	switch h.Type {
	case Float:
		f, ok := number(v)
		if !ok {
			return nil, h.wrong(v)
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, Errorf(CodeBadRequest, "hyperparameter %s is %v, it must be finite", h.Name, f)
		}
		if !h.inside(f) {
			return nil, h.wrong(v)
		}
		return f, nil
	case Int:
		// Above 2^53 a float64 skips integers; no hyperparameter is that large.
		f, ok := number(v)
		if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 || !h.inside(f) {
			return nil, h.wrong(v)
		}
		return int64(f), nil
	case Bool:
		b, ok := v.(bool)
		if !ok {
			return nil, h.wrong(v)
		}
		return b, nil
	case String:
		s, ok := v.(string)
		if !ok || (len(h.Values) > 0 && !contains(h.Values, s)) {
			if near := Nearest(s, h.Values); ok && near != "" {
				return nil, Errorf(CodeBadRequest, "hyperparameter %s is %q, did you mean %q? It takes %s", h.Name, s, near, h.takes())
			}
			return nil, h.wrong(v)
		}
		return s, nil
	}
	return nil, Errorf(CodeBadRequest, "hyperparameter %s has unknown type %q", h.Name, h.Type)
}

func (h Hyperparameter) bounded() bool { return h.Min != 0 || h.Max != 0 }

func (h Hyperparameter) inside(f float64) bool {
	return !h.bounded() || (f >= h.Min && f <= h.Max)
}

func (h Hyperparameter) wrong(v any) error {
	if s, ok := v.(string); ok {
		return Errorf(CodeBadRequest, "hyperparameter %s is %q, it takes %s", h.Name, s, h.takes())
	}
	return Errorf(CodeBadRequest, "hyperparameter %s is %v, it takes %s", h.Name, v, h.takes())
}

// takes describes the values a hyperparameter accepts.
func (h Hyperparameter) takes() string {
	switch h.Type {
	case Float, Int:
		noun := "a number"
		if h.Type == Int {
			noun = "an integer"
		}
		switch {
		case !h.bounded():
			return noun
		case math.IsInf(h.Max, 1) && math.IsInf(h.Min, -1):
			return noun
		case math.IsInf(h.Max, 1):
			return fmt.Sprintf("%s of at least %v", noun, h.Min)
		case math.IsInf(h.Min, -1):
			return fmt.Sprintf("%s of at most %v", noun, h.Max)
		}
		return fmt.Sprintf("%s from %v to %v", noun, h.Min, h.Max)
	case Bool:
		return "true or false"
	}
	if len(h.Values) == 0 {
		return "a string"
	}
	return "one of " + strings.Join(h.Values, ", ")
}

// MarshalJSON leaves open bounds out, because JSON has no infinity.
func (h Hyperparameter) MarshalJSON() ([]byte, error) {
	out := struct {
		Name    string   `json:"name"`
		Type    Type     `json:"type"`
		Default any      `json:"default"`
		Min     *float64 `json:"min,omitempty"`
		Max     *float64 `json:"max,omitempty"`
		Values  []string `json:"values,omitempty"`
		Log     bool     `json:"log,omitempty"`
		Text    string   `json:"text,omitempty"`
	}{Name: h.Name, Type: h.Type, Default: h.Default, Values: h.Values, Log: h.Log, Text: h.Text}
	if h.bounded() && !math.IsInf(h.Min, 0) {
		out.Min = &h.Min
	}
	if h.bounded() && !math.IsInf(h.Max, 0) {
		out.Max = &h.Max
	}
	return json.Marshal(out)
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case float32:
		return float64(x), true
	case int64:
		return float64(x), true
	case int:
		return float64(x), true
	case int32:
		return float64(x), true
	}
	return 0, false
}
