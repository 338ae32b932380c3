package sweeps

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Check returns the value converted to the parameter's type, or an error that
// says what is allowed. A whole number is a float; a float is never an int.
func (p Parameter) Check(v any) (any, error) {
	var out any
	switch p.Type {
	case "float":
		f, ok := toFloat(v)
		if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("must be a number, found %s", describe(v))
		}
		out = f
	case "int":
		switch i := v.(type) {
		case int64:
			out = i
		case int:
			out = int64(i)
		default:
			return nil, fmt.Errorf("must be a whole number, found %s", describe(v))
		}
	case "bool":
		b, ok := v.(bool)
		if !ok {
			return nil, fmt.Errorf("must be true or false, found %s", describe(v))
		}
		out = b
	case "string":
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("must be a string, found %s", describe(v))
		}
		out = s
	default:
		return nil, fmt.Errorf("has the unknown type %q in its declaration", p.Type)
	}
	if len(p.Values) > 0 && !slices.ContainsFunc(p.Values, func(allowed any) bool { return same(allowed, out) }) {
		if s, ok := out.(string); ok {
			var known []string
			for _, allowed := range p.Values {
				known = append(known, fmt.Sprint(allowed))
			}
			return nil, fmt.Errorf("%q is not available%s", s, suggest(s, known))
		}
		return nil, fmt.Errorf("is %s, allowed: %s", show(out), showAll(p.Values))
	}
	if f, ok := toFloat(out); ok && (p.Min != nil && f < *p.Min || p.Max != nil && f > *p.Max) {
		return nil, fmt.Errorf("is %s, it must lie %s", plain(f), p.bounds())
	}
	return out, nil
}

func (p Parameter) bounds() string {
	switch {
	case p.Min == nil:
		return "at or below " + plain(*p.Max)
	case p.Max == nil:
		return "at or above " + plain(*p.Min)
	}
	return "between " + plain(*p.Min) + " and " + plain(*p.Max)
}

// read checks a value of the file and reports what is wrong with it.
func (p Parameter) read(v value) (any, bool) {
	x, err := p.Check(v.v)
	if err != nil {
		v.report("%s", err)
		return nil, false
	}
	return x, true
}

// plain writes a number the short way.
func plain(f float64) string { return fmt.Sprintf("%g", f) }

func showAll(values []any) string {
	out := make([]string, len(values))
	for i, v := range values {
		if f, ok := toFloat(v); ok {
			out[i] = plain(f)
		} else {
			out[i] = show(v)
		}
	}
	return strings.Join(out, ", ")
}

// same compares two scalars; numbers by value.
func same(a, b any) bool {
	x, ok := toFloat(a)
	y, okToo := toFloat(b)
	if ok && okToo {
		return x == y
	}
	return a == b
}
