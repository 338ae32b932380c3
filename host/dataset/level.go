package dataset

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"

	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/host/dataset/table"
)

const (
	// missingLevel is the level of rows whose subgroup or environment is missing.
	missingLevel = "missing"
	// maxLevels bounds the levels of a subgroup or one-hot column: more are a sign
	// of a number or an identifier.
	maxLevels = 256
)

// texts is anything with cells: a column, or a field.
type texts interface {
	Text(row int) string
}

// levels lists the distinct values of rows, numbers in ascending order, else
// texts; and the level of every row, -1 where it is missing. Numbers that are
// written differently ("3" and "3.0") are one level.
func levels(c texts, rows []int) ([]string, []int32) {
	values, number := make([]string, len(rows)), map[string]float64{}
	numeric := true
	for i, row := range rows {
		values[i] = c.Text(row)
		if values[i] == "" {
			continue
		}
		v, err := strconv.ParseFloat(values[i], 64)
		if err != nil {
			numeric = false
			break
		}
		values[i] = table.FormatNumber(v)
		number[values[i]] = v
	}
	if !numeric {
		for i, row := range rows {
			values[i] = c.Text(row)
		}
	}
	index := map[string]int32{}
	var names []string
	for _, v := range values {
		if _, seen := index[v]; v != "" && !seen {
			index[v] = 0
			names = append(names, v)
		}
	}
	if numeric {
		sort.Slice(names, func(i, j int) bool { return number[names[i]] < number[names[j]] })
	} else {
		sort.Strings(names)
	}
	for i, name := range names {
		index[name] = int32(i)
	}
	out := make([]int32, len(rows))
	for i, v := range values {
		out[i] = -1
		if v != "" {
			out[i] = index[v]
		}
	}
	return names, out
}

// grouped makes a subgroup column; rows without a value get a level of their
// own.
func grouped(name string, c texts, rows []int) Group {
	names, values := levels(c, rows)
	return withMissing(Group{Name: name, Levels: names, Values: values})
}

func withMissing(g Group) Group {
	if !slices.Contains(g.Values, -1) {
		return g
	}
	level := slices.Index(g.Levels, missingLevel) // the data may say so itself
	if level < 0 {
		level = len(g.Levels)
		g.Levels = append(g.Levels, missingLevel)
	}
	for i, v := range g.Values {
		if v < 0 {
			g.Values[i] = int32(level)
		}
	}
	return g
}

// relabelled renames levels; those that get the same name become one.
func relabelled(g Group, labels map[string]string) Group {
	out := Group{Name: g.Name, Values: make([]int32, len(g.Values))}
	index := make([]int32, len(g.Levels))
	for i, name := range g.Levels {
		if to, ok := labels[name]; ok {
			name = to
		}
		at := slices.Index(out.Levels, name)
		if at < 0 {
			at = len(out.Levels)
			out.Levels = append(out.Levels, name)
		}
		index[i] = int32(at)
	}
	for i, v := range g.Values {
		out.Values[i] = index[v]
	}
	return out
}

// group makes a subgroup column as the manifest says.
func (f *frame) group(path string, spec manifest.Group, rows []int) (Group, error) {
	c, err := f.column(path+".column", spec.Column)
	if err != nil {
		return Group{}, err
	}
	g := Group{Name: spec.Name}
	if spec.Cuts == nil {
		g = grouped(spec.Name, c, rows)
		if len(g.Levels) > maxLevels {
			return Group{}, f.manifest.Errorf(path, "column %q has %d levels; give cuts for a number", spec.Column, len(g.Levels))
		}
	} else {
		g.Levels = bands(spec.Cuts)
		for _, row := range rows {
			v, err := f.number(c, row)
			if err != nil {
				return Group{}, err
			}
			level := int32(-1)
			if v == v {
				level = int32(sort.Search(len(spec.Cuts), func(i int) bool { return v < spec.Cuts[i] }))
			}
			g.Values = append(g.Values, level)
		}
		g = withMissing(g)
	}
	for _, from := range slices.Sorted(maps.Keys(spec.Labels)) {
		if !slices.Contains(g.Levels, from) {
			return Group{}, f.manifest.Errorf(path+".labels", "%q is not a level of %q%s", from, spec.Column, didYouMean(from, g.Levels))
		}
	}
	return relabelled(g, spec.Labels), nil
}

// bands names the intervals between cut points: closed below, open above.
func bands(cuts []float64) []string {
	names := make([]string, 0, len(cuts)+1)
	for i := 0; i <= len(cuts); i++ {
		switch {
		case len(cuts) == 0:
			names = append(names, "all")
		case i == 0:
			names = append(names, "<"+table.FormatNumber(cuts[0]))
		case i == len(cuts):
			names = append(names, ">="+table.FormatNumber(cuts[i-1]))
		default:
			names = append(names, fmt.Sprintf("%s-%s", table.FormatNumber(cuts[i-1]), table.FormatNumber(cuts[i])))
		}
	}
	return names
}
