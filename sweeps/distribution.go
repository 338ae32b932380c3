package sweeps

import (
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sweeps/search"
)

// Distribution is one entry of [parameters]: a fixed value or a choice. Its Name
// is section.key, e.g. optimizer.lr.
type Distribution struct {
	search.Dimension
	Section string
	Key     string

	when *search.Expression
	path keyPath
}

// parameterSections are where a parameter can belong.
var parameterSections = search.Sections

var distributionKinds = []string{"uniform", "log_uniform", "log_uniform_values", "int_uniform", "values", "value"}

// readParameters reads [parameters] in alphabetical order. A parameter may be
// written "optimizer.lr" = {...} or optimizer.lr = {...}. Of the broken ones only
// the name is of use. names are the values that the words of a condition can have.
func readParameters(v value, names map[string][]string) (out, broken []Distribution) {
	if !v.anyTable() {
		return nil, nil
	}
	type entry struct {
		Distribution
		value
	}
	var found []entry
	add := func(section, key string, v value) {
		name := section + "." + key
		if slices.ContainsFunc(found, func(e entry) bool { return e.Name == name }) {
			v.report("%s is given twice, with and without quotes; remove one", name)
			return
		}
		d := Distribution{Dimension: search.Dimension{Name: name}, Section: section, Key: key, path: v.path}
		found = append(found, entry{d, v})
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
	slices.SortFunc(found, func(a, b entry) int { return strings.Compare(a.Name, b.Name) })
	sound := make([]bool, len(found))
	for i := range found {
		e := &found[i]
		sound[i] = e.read(e.value)
		names[e.Name] = e.texts()
	}
	for i := range found {
		e := &found[i]
		before := len(v.doc.problems)
		e.when = readCondition(e.value.get("when"), names)
		if sound[i] && len(v.doc.problems) == before {
			out = append(out, e.Distribution)
		} else {
			broken = append(broken, Distribution{Dimension: search.Dimension{Name: e.Name}, Section: e.Section, Key: e.Key, path: e.Distribution.path})
		}
	}
	return out, broken
}

// texts are the values that a condition can compare a parameter with; nil if it
// has others than strings.
func (d *Distribution) texts() []string {
	var out []string
	for _, v := range d.Values {
		text, ok := v.(string)
		if !ok {
			return nil
		}
		out = append(out, text)
	}
	return out
}

func (d *Distribution) read(v value) bool {
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
