package sweeps

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Distribution is one entry of [parameters]: a fixed value or a choice.
type Distribution struct {
	Name    string // section.key, e.g. optimizer.lr
	Section string
	Key     string
	Kind    string // value, values, uniform, log_uniform, int_uniform
	Values  []any  // of value (one) and values
	// Min and Max are values also for log_uniform, never exponents. Step is 0
	// when the distribution is not quantised.
	Min, Max, Step float64

	when *condition
	path keyPath
}

// parameterSections are where a parameter can belong.
var parameterSections = []string{"backbone", "strategy", "missingness", "dual_branch", "optimizer", "head", "run"}

var distributionKinds = []string{"uniform", "log_uniform", "log_uniform_values", "int_uniform", "values", "value"}

// free reports whether there is more than one value to choose from.
func (d *Distribution) free() bool { return d.Kind != "value" }

// finite reports whether grid can enumerate the distribution.
func (d *Distribution) finite() bool {
	return d.Kind == "value" || d.Kind == "values" || d.Kind == "int_uniform" || d.Kind == "uniform" && d.Step > 0
}

// steps is the number of quantised values of uniform and int_uniform.
func (d *Distribution) steps() int64 {
	return int64(math.Floor((d.Max-d.Min)/d.Step+1e-9)) + 1
}

// At returns the value at quantile u in [0, 1).
func (d *Distribution) At(u float64) any {
	switch {
	case d.Kind == "value" || d.Kind == "values":
		return d.Values[min(int(u*float64(len(d.Values))), len(d.Values)-1)]
	case d.Kind == "log_uniform":
		x := significant(math.Exp(math.Log(d.Min)+u*(math.Log(d.Max)-math.Log(d.Min))), 6)
		if d.Step > 0 {
			return d.quantised(int64(math.Round((x - d.Min) / d.Step)))
		}
		return min(max(x, d.Min), d.Max)
	case d.Step > 0:
		return d.quantised(int64(u * float64(d.steps())))
	}
	return min(max(significant(d.Min+u*(d.Max-d.Min), 6), d.Min), d.Max)
}

// quantised returns min + i*step, at most the last step.
func (d *Distribution) quantised(i int64) any {
	i = min(max(i, 0), d.steps()-1)
	x := significant(d.Min+float64(i)*d.Step, 12)
	if d.whole() {
		return int64(math.Round(x))
	}
	return x
}

// whole reports whether all values are integers.
func (d *Distribution) whole() bool {
	return d.Kind == "int_uniform" || d.Step > 0 && d.Step == math.Trunc(d.Step) && d.Min == math.Trunc(d.Min)
}

// All enumerates a finite distribution.
func (d *Distribution) All() []any {
	if d.Kind == "value" || d.Kind == "values" {
		return d.Values
	}
	out := make([]any, d.steps())
	for i := range out {
		out[i] = d.quantised(int64(i))
	}
	return out
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

// readParameters reads [parameters] in alphabetical order. A parameter may be
// written "optimizer.lr" = {...} or optimizer.lr = {...}. Of the broken ones only
// the name is of use.
func readParameters(v value, names map[string][]string) (out, broken []Distribution) {
	if !v.anyTable() {
		return nil, nil
	}
	add := func(section, key string, v value) {
		name := section + "." + key
		if slices.ContainsFunc(out, func(d Distribution) bool { return d.Name == name }) {
			v.report("%s is given twice, with and without quotes; remove one", name)
			return
		}
		d := Distribution{Name: name, Section: section, Key: key, path: v.path}
		if d.read(v, names) {
			out = append(out, d)
		} else {
			broken = append(broken, Distribution{Name: name, Section: section, Key: key, path: v.path})
		}
	}
	for _, name := range v.keys() {
		field := v.get(name)
		section, key, dotted := strings.Cut(name, ".")
		if !slices.Contains(parameterSections, section) {
			if dotted {
				field.report("%q is not a section%s", section, suggest(section, parameterSections))
			} else {
				field.report(`must be written "section.name", e.g. "optimizer.%s"; sections: %s`, name, strings.Join(parameterSections, ", "))
			}
			continue
		}
		if dotted {
			add(section, key, field)
			continue
		}
		if field.anyTable() {
			for _, key := range field.keys() {
				add(section, key, field.get(key))
			}
		}
	}
	slices.SortFunc(out, func(a, b Distribution) int { return strings.Compare(a.Name, b.Name) })
	return out, broken
}

func (d *Distribution) read(v value, names map[string][]string) bool {
	before := len(v.doc.problems)
	switch v.v.(type) {
	case map[string]any:
	case []any:
		v.report("must be a table; write { values = [...] }")
		return false
	default:
		v.report("must be a table; write { value = %s }", show(v.v))
		return false
	}
	v.table("distribution", "value", "values", "min", "max", "step", "when")
	d.when = readCondition(v.get("when"), names)

	single, several, kind := v.get("value"), v.get("values"), v.get("distribution")
	kinds := 0
	for _, field := range []value{single, several, kind} {
		if field.present() {
			kinds++
		}
	}
	if text, ok := kind.v.(string); ok && (text == "value" || text == "values") && kinds == 2 {
		kinds = 1 // distribution = "values", values = [...]
		kind.v = nil
	}
	switch {
	case kinds == 0:
		v.report("says no values; give value, values, or a distribution with min and max")
	case kinds > 1:
		v.report("mixes value, values and distribution; keep one of them")
	case single.present():
		d.Kind = "value"
		if x, ok := single.scalar(); ok {
			d.Values = []any{x}
		}
	case several.present():
		d.readValues(several)
	default:
		d.readRange(v, kind)
	}
	if d.Kind == "value" || d.Kind == "values" {
		for _, key := range []string{"min", "max", "step"} {
			if field := v.get(key); field.present() {
				field.report("does not go with %s; remove it", d.Kind)
			}
		}
	}
	return len(v.doc.problems) == before
}

func (d *Distribution) readValues(v value) {
	d.Kind = "values"
	items, ok := v.list()
	if ok && len(items) == 0 {
		v.report("is empty; list at least one value")
	}
	for _, item := range items {
		x, ok := item.scalar()
		switch {
		case !ok:
		case slices.ContainsFunc(d.Values, func(y any) bool { return same(x, y) }):
			item.report("%s is listed twice; remove one", show(x))
		default:
			d.Values = append(d.Values, x)
		}
	}
}

func (d *Distribution) readRange(v, kind value) {
	name, ok := kind.choice(distributionKinds...)
	if !ok {
		return
	}
	if name == "value" || name == "values" {
		v.report("has no %s; write { %s = ... }", name, name)
		return
	}
	d.Kind = strings.TrimSuffix(name, "_values")
	low, high, step := v.get("min"), v.get("max"), v.get("step")
	for _, field := range []value{low, high} {
		if !field.present() {
			field.report("is missing; %s needs min and max", name)
		}
	}
	sound := low.present() && high.present()
	for _, field := range []struct {
		value
		to *float64
	}{{low, &d.Min}, {high, &d.Max}, {step, &d.Step}} {
		if !field.present() {
			continue
		}
		f, ok := field.number()
		if ok && d.Kind == "int_uniform" {
			if _, whole := field.v.(int64); !whole || math.Abs(f) > 1<<53 {
				field.wrongType("a whole number")
				ok = false
			}
		}
		*field.to = f
		sound = sound && ok
	}
	if !sound {
		return
	}
	switch {
	case d.Kind == "log_uniform" && d.Min <= 0:
		low.report("is %s; min and max of log_uniform are values, not exponents, and must be above 0: write 1e-4, not -4", plain(d.Min))
		return
	case d.Max <= d.Min:
		high.report("is %s, it must be above min (%s); use value for a single value", plain(d.Max), plain(d.Min))
		return
	case step.present() && d.Step <= 0:
		step.report("is %s, it must be above 0", plain(d.Step))
		return
	case step.present() && d.Step > d.Max-d.Min:
		step.report("is %s, wider than the range from min to max", plain(d.Step))
		return
	}
	if d.Kind == "int_uniform" && d.Step == 0 {
		d.Step = 1
	}
}
