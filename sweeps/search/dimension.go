package search

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Kinds of dimensions.
const (
	Value      = "value"       // one fixed value
	Values     = "values"      // a choice without order
	Uniform    = "uniform"     // between Min and Max
	LogUniform = "log_uniform" // its logarithm is uniform; Min and Max are values
	IntUniform = "int_uniform" // whole numbers
)

// Dimension is one parameter of a space.
type Dimension struct {
	Name string `json:"name"`
	// Type is what the values are: float, int, bool or string. A whole number of
	// a float parameter is a float.
	Type   string `json:"type,omitempty"`
	Kind   string `json:"kind"`
	Values []any  `json:"values,omitempty"` // of Value (one) and Values
	// Min and Max are values also for LogUniform, never exponents. Step is 0 when
	// the dimension is not quantised.
	Min  float64 `json:"min,omitempty"`
	Max  float64 `json:"max,omitempty"`
	Step float64 `json:"step,omitempty"`
	// When is a condition over the cell and other dimensions; the trial has the
	// parameter only where it holds. Empty: always.
	When string `json:"when,omitempty"`
	// With names the dimension whose choice this one follows, value by value.
	With string `json:"with,omitempty"`
}

// Free reports whether there is more than one value to choose from.
func (d *Dimension) Free() bool { return d.Kind != Value }

// Finite reports whether the dimension can be enumerated.
func (d *Dimension) Finite() bool {
	return d.Kind == Value || d.Kind == Values || d.Kind == IntUniform || d.Kind == Uniform && d.Step > 0
}

// Count is the number of values of a finite dimension.
func (d *Dimension) Count() int64 {
	if d.Kind == Value || d.Kind == Values {
		return int64(len(d.Values))
	}
	return int64(math.Floor((d.Max-d.Min)/d.Step+1e-9)) + 1
}

// At returns the value at quantile u in [0, 1).
func (d *Dimension) At(u float64) any {
	switch {
	case d.Kind == Value || d.Kind == Values:
		return d.typed(d.Values[min(int(u*float64(len(d.Values))), len(d.Values)-1)])
	case d.Kind == LogUniform:
		return d.near(math.Exp(math.Log(d.Min) + u*(math.Log(d.Max)-math.Log(d.Min))))
	case d.Step > 0:
		return d.quantised(int64(u * float64(d.Count())))
	}
	return d.near(d.Min + u*(d.Max-d.Min))
}

// near returns the value of the dimension that is nearest to x.
func (d *Dimension) near(x float64) any {
	x = significant(x, 6)
	if d.Step > 0 {
		return d.quantised(int64(math.Round((x - d.Min) / d.Step)))
	}
	return d.typed(min(max(x, d.Min), d.Max))
}

// quantised returns min + i*step, at most the last step.
func (d *Dimension) quantised(i int64) any {
	i = min(max(i, 0), d.Count()-1)
	x := significant(d.Min+float64(i)*d.Step, 12)
	if d.Whole() {
		return d.typed(int64(math.Round(x)))
	}
	return d.typed(x)
}

// Whole reports whether all values are integers.
func (d *Dimension) Whole() bool {
	return d.Kind == IntUniform || d.Step > 0 && d.Step == math.Trunc(d.Step) && d.Min == math.Trunc(d.Min)
}

// All enumerates a finite dimension.
func (d *Dimension) All() []any {
	out := make([]any, d.Count())
	for i := range out {
		if d.Kind == Value || d.Kind == Values {
			out[i] = d.typed(d.Values[i])
		} else {
			out[i] = d.quantised(int64(i))
		}
	}
	return out
}

// index is the place of v among the values of a choice; -1 if it is none.
func (d *Dimension) index(v any) int {
	for i, x := range d.Values {
		if d.typed(x) == d.typed(v) {
			return i
		}
	}
	return -1
}

// typed converts a number to the dimension's type.
func (d *Dimension) typed(v any) any {
	switch x := v.(type) {
	case int64:
		if d.Type == "float" {
			return float64(x)
		}
	case float64:
		if d.Type == "int" && x == math.Trunc(x) {
			return int64(x)
		}
	}
	return v
}

// UnmarshalJSON keeps whole floats apart from integers by the dimension's type,
// which the JSON of a database does not.
func (d *Dimension) UnmarshalJSON(text []byte) error {
	type plain Dimension
	if err := json.Unmarshal(text, (*plain)(d)); err != nil {
		return fmt.Errorf("read dimension: %w", err)
	}
	for i, v := range d.Values {
		d.Values[i] = d.typed(v)
	}
	return nil
}

// significant rounds to a number of significant decimal digits. It makes a
// sampled value readable and hides the last bits, in which the exponential
// function may differ between processors.
func significant(x float64, digits int) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64)
	if err != nil {
		return x
	}
	return rounded
}
