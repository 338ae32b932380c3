package sweeps

import (
	"slices"
	"strings"
)

// Axes span the cells: their product, less what Exclude matches. The axes of an
// entry of Zip take their values in step instead.
type Axes struct {
	Dataset, Backbone, Variant []string
	Exclude                    []Exclusion
	Zip                        [][]string
}

// Exclusion takes cells out of the product. An empty field matches everything.
type Exclusion struct {
	Dataset, Backbone, Variant string
	Why                        string
}

func (e Exclusion) matches(c Cell) bool {
	return (e.Dataset == "" || e.Dataset == c.Dataset) &&
		(e.Backbone == "" || e.Backbone == c.Backbone) &&
		(e.Variant == "" || e.Variant == c.Variant)
}

// Cell is what is compared: one dataset, one backbone, one variant.
type Cell struct {
	Dataset  string `json:"dataset"`
	Backbone string `json:"backbone"`
	Variant  string `json:"variant"`
}

func (c Cell) String() string { return c.Dataset + "/" + c.Backbone + "/" + c.Variant }

// axisCharacters may stand in the names on an axis: mm_conf/S2.
var axisCharacters = map[string]string{"dataset": "/"}

var axisNames = []string{"dataset", "backbone", "variant"}

// values returns the values of an axis by its name.
func (a Axes) values(axis string) []string {
	switch axis {
	case "dataset":
		return a.Dataset
	case "backbone":
		return a.Backbone
	case "variant":
		return a.Variant
	}
	return nil
}

// Cells returns the product without the excluded cells, in the order of the file.
func (a Axes) Cells() []Cell {
	var cells []Cell
	for _, dataset := range a.Dataset {
		for _, backbone := range a.Backbone {
			for _, variant := range a.Variant {
				cell := Cell{dataset, backbone, variant}
				if a.inStep(cell) && !slices.ContainsFunc(a.Exclude, func(e Exclusion) bool { return e.matches(cell) }) {
					cells = append(cells, cell)
				}
			}
		}
	}
	return cells
}

// inStep reports whether the zipped axes of a cell are at the same place.
func (a Axes) inStep(cell Cell) bool {
	at := map[string]int{
		"dataset": slices.Index(a.Dataset, cell.Dataset), "backbone": slices.Index(a.Backbone, cell.Backbone),
		"variant": slices.Index(a.Variant, cell.Variant),
	}
	for _, group := range a.Zip {
		for _, axis := range group {
			if at[axis] != at[group[0]] {
				return false
			}
		}
	}
	return true
}

// readZip reads the groups of axes that move together.
func (a *Axes) readZip(v value) {
	groups, _ := v.list()
	for _, group := range groups {
		if names := group.names(); a.zippable(group, names) {
			a.Zip = append(a.Zip, names)
		}
	}
}

// zippable reports what is wrong with a group of axes.
func (a *Axes) zippable(group value, names []string) bool {
	for _, name := range names {
		if !slices.Contains(axisNames, name) {
			group.report("%q is not an axis%s", name, suggest(name, axisNames))
			return false
		}
		if n, first := len(a.values(name)), len(a.values(names[0])); n != first {
			group.report("%s has %d names and %s has %d; axes that move together need equally many", name, n, names[0], first)
			return false
		}
	}
	if _, ok := group.v.([]any); ok && len(names) < 2 {
		group.report(`needs at least two axes; write zip = [["dataset", "backbone"]]`)
	}
	return len(names) > 1
}

// readAxes reads the axes; a dataset that the file defines stands for all that its
// definition makes.
func readAxes(v value, defined map[string][]Generated) Axes {
	var a Axes
	if !v.present() {
		v.report("is missing; write [axes] with dataset, backbone and variant, each a list of names")
		return a
	}
	if !v.anyTable() {
		return a
	}
	for _, key := range v.keys() {
		if !slices.Contains(axisNames, key) && key != "exclude" && key != "zip" {
			v.get(key).report("unknown axis%s; other settings vary in [parameters]", suggest(key, append(axisNames, "exclude", "zip")))
		}
	}
	whole := true
	for _, axis := range axisNames {
		list := v.get(axis)
		if !list.present() {
			list.report("is missing; list at least one name")
			whole = false
			continue
		}
		names := list.names(axisCharacters[axis])
		if items, ok := list.list(); ok && len(items) == 0 {
			list.report("is empty; list at least one name")
		}
		whole = whole && len(names) > 0
		switch axis {
		case "dataset":
			for _, name := range names {
				if made, ok := defined[name]; ok {
					for _, g := range made {
						a.Dataset = append(a.Dataset, g.Name)
					}
					continue
				}
				a.Dataset = append(a.Dataset, name)
			}
		case "backbone":
			a.Backbone = names
		case "variant":
			a.Variant = names
		}
	}
	a.readZip(v.get("zip"))
	a.readExclude(v.get("exclude"))
	if whole && len(a.Cells()) == 0 {
		v.get("exclude").report("leaves no cell; remove an entry")
	}
	return a
}

func (a *Axes) readExclude(v value) {
	items, _ := v.list()
	for _, item := range items {
		if !item.table(append([]string{"why"}, axisNames...)...) {
			continue
		}
		var e Exclusion
		e.Why, _ = item.get("why").str()
		named := false
		for _, axis := range axisNames {
			field := item.get(axis)
			if !field.present() {
				continue
			}
			named = true
			known := a.values(axis)
			name, ok := field.str()
			if !ok {
				continue
			}
			if !slices.Contains(known, name) {
				field.report("%q is not on the axis%s", name, suggest(name, known))
			}
			switch axis {
			case "dataset":
				e.Dataset = name
			case "backbone":
				e.Backbone = name
			case "variant":
				e.Variant = name
			}
		}
		if !named {
			item.report("names no axis and would exclude everything; give %s", strings.Join(axisNames, ", "))
			continue
		}
		a.Exclude = append(a.Exclude, e)
	}
}
