package sdk

import (
	"fmt"
	"math"
)

// DimensionKind says what a dimension chooses from.
type DimensionKind string

// The kinds of dimensions.
const (
	Choice     DimensionKind = "values"      // Values, without order
	Uniform    DimensionKind = "uniform"     // Min to Max
	LogUniform DimensionKind = "log_uniform" // Min to Max, uniform in the logarithm
	IntUniform DimensionKind = "int_uniform" // whole numbers from Min to Max
)

// Dimension is one parameter that a sampler chooses.
type Dimension struct {
	Name string
	Kind DimensionKind
	// Values are those of a Choice: float64, int64, bool or string.
	Values []any
	// Min and Max are inclusive, and values also for LogUniform. With a Step above 0
	// the choice is Min, Min + Step, ...
	Min, Max, Step float64
	// Conditional says that other parameters decide whether a trial has this one.
	Conditional bool
}

// Validate reports what makes a dimension unusable, with code bad_request.
func (d Dimension) Validate() error {
	switch d.Kind {
	case Choice:
		if len(d.Values) == 0 {
			return Errorf(CodeBadRequest, "dimension %s has no values", d.Name)
		}
	case Uniform, LogUniform, IntUniform:
		// Written so that NaN is refused.
		if !(d.Min <= d.Max && d.Max-d.Min <= math.MaxFloat64 && d.Step >= 0) || d.Kind == LogUniform && d.Min <= 0 {
			return Errorf(CodeBadRequest, "dimension %s goes from %v to %v in steps of %v", d.Name, d.Min, d.Max, d.Step)
		}
	default:
		return Errorf(CodeBadRequest, "dimension %s has unknown kind %q", d.Name, d.Kind)
	}
	return nil
}

// gridTolerance is how far from a step a number may be, in steps.
const gridTolerance = 1e-6

// Check answers v in the type of the dimension: one of Values, int64 for IntUniform,
// float64 else. Errors have the code bad_shape, or not_finite.
func (d Dimension) Check(v any) (any, error) {
	if d.Kind == Choice {
		for _, x := range d.Values {
			if x == v {
				return x, nil
			}
		}
		// Some languages have one type of number.
		if f, ok := number(v); ok {
			for _, x := range d.Values {
				if g, ok := number(x); ok && f == g {
					return x, nil
				}
			}
		}
		return nil, Errorf(CodeBadShape, "%s is %.200s (%T), which is none of its %d values", d.Name, fmt.Sprint(v), v, len(d.Values))
	}
	f, ok := number(v)
	switch {
	case !ok:
		return nil, Errorf(CodeBadShape, "%s is %.200s (%T), it takes a number", d.Name, fmt.Sprint(v), v)
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, Errorf(CodeNotFinite, "%s is %v", d.Name, f)
	case f < d.Min || f > d.Max:
		return nil, Errorf(CodeBadShape, "%s is %v, outside %v to %v", d.Name, f, d.Min, d.Max)
	case d.Kind == IntUniform && f != math.Trunc(f):
		return nil, Errorf(CodeBadShape, "%s is %v, it takes a whole number", d.Name, f)
	}
	if steps := (f - d.Min) / d.Step; d.Step > 0 && math.Abs(steps-math.Round(steps)) > gridTolerance {
		return nil, Errorf(CodeBadShape, "%s is %v, between the steps of %v from %v", d.Name, f, d.Step, d.Min)
	}
	if d.Kind == IntUniform {
		return int64(f), nil
	}
	return f, nil
}
