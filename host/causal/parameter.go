package causal

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// The types of a Parameter.
const (
	Float = "float"
	Int   = "int"
	Bool  = "bool"
	Enum  = "enum"
)

// Parameter describes one setting of a component.
type Parameter struct {
	Name string
	Type string // Float, Int, Bool or Enum
	// Default is a float64, int64, bool or string, by Type; nil if the setting is
	// empty unless given.
	Default any
	// Min and Max bound a Float or Int, both included.
	Min, Max float64
	// Values are what an Enum takes.
	Values []string
	// Text says what the setting does and where it comes from.
	Text string
}

func float(name string, value, low, high float64, text string) Parameter {
	return Parameter{Name: name, Type: Float, Default: value, Min: low, Max: high, Text: text}
}

func integer(name string, value int64, low, high float64, text string) Parameter {
	return Parameter{Name: name, Type: Int, Default: value, Min: low, Max: high, Text: text}
}

func boolean(name string, value bool, text string) Parameter {
	return Parameter{Name: name, Type: Bool, Default: value, Text: text}
}

func enum(name, text string, values ...string) Parameter {
	return Parameter{Name: name, Type: Enum, Default: values[0], Values: values, Text: text}
}

// choice is an enum that is empty unless given.
func choice(name, text string, values ...string) Parameter {
	return Parameter{Name: name, Type: Enum, Values: values, Text: text}
}

// check returns v in the Go type of the default.
func (p Parameter) check(section string, v any) (any, error) {
	switch p.Type {
	case Float:
		if f, ok := number(v); ok && f >= p.Min && f <= p.Max {
			return f, nil
		}
		return nil, fmt.Errorf("%s.%s is %v; it takes a number from %v to %v", section, p.Name, v, p.Min, p.Max)
	case Int:
		if f, ok := number(v); ok && f == math.Trunc(f) && f >= p.Min && f <= p.Max {
			return int64(f), nil
		}
		return nil, fmt.Errorf("%s.%s is %v; it takes an integer from %.0f to %.0f", section, p.Name, v, p.Min, p.Max)
	case Bool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
		return nil, fmt.Errorf("%s.%s is %v; it takes true or false", section, p.Name, v)
	}
	s, ok := v.(string)
	if ok && slices.Contains(p.Values, s) {
		return s, nil
	}
	hint := ""
	if near := sdk.Nearest(s, p.Values); near != "" {
		hint = fmt.Sprintf(" (did you mean %q?)", near)
	}
	return nil, fmt.Errorf("%s.%s is %q%s; it takes %s", section, p.Name, fmt.Sprint(v), hint, strings.Join(p.Values, ", "))
}

// settings checks raw against parameters and fills in the defaults.
func settings(section string, parameters []Parameter, raw map[string]any) (sdk.Values, error) {
	out := make(sdk.Values, len(parameters))
	names := make([]string, 0, len(parameters))
	for _, p := range parameters {
		if p.Default != nil {
			out[p.Name] = p.Default
		}
		names = append(names, p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		at := slices.Index(names, name)
		if at < 0 {
			if near := sdk.Nearest(name, names); near != "" {
				return nil, fmt.Errorf("%s has no setting %q; did you mean %q?", section, name, near)
			}
			return nil, fmt.Errorf("%s has no setting %q; it has %s", section, name, strings.Join(names, ", "))
		}
		v, err := parameters[at].check(section, raw[name])
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
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
	}
	return 0, false
}
