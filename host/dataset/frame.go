package dataset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/host/dataset/table"
)

// field is a column seen from the main table: its own, or a joined one.
type field struct {
	*table.Column
	rows []int32 // of the joined table by main row, -1 where nothing matches; nil for the main table
}

func (f field) at(row int) int {
	if f.rows == nil {
		return row
	}
	return int(f.rows[row])
}

func (f field) Missing(row int) bool { i := f.at(row); return i < 0 || f.Column.Missing(i) }

func (f field) Text(row int) string {
	if f.Missing(row) {
		return ""
	}
	return f.Column.Text(f.at(row))
}

// frame is the main table with everything joined to it.
type frame struct {
	manifest *manifest.Manifest
	tables   []*table.Table // in the order of the manifest
	joined   [][]int32      // by table; nil for the main and for long tables
	derived  map[string]field
	order    []string // names of derived columns
	dropped  []Dropped
}

// join matches the rows of every table that is not long to those of the main
// table.
func (f *frame) join() error {
	for t := 1; t < len(f.tables); t++ {
		spec := f.manifest.Tables[t]
		at := fmt.Sprintf("table[%d]", t)
		key := f.tables[t].Column(spec.Key)
		if key == nil {
			return f.manifest.Errorf(at+".key", "table %s has no column %q%s", spec.Name, spec.Key, didYouMean(spec.Key, f.tables[t].Available))
		}
		if spec.Long {
			continue
		}
		on, err := f.column(at+".on", spec.On)
		if err != nil {
			return err
		}
		where := make(map[string]int32, key.Len())
		for row := range key.Len() {
			text := key.Text(row)
			if text == "" {
				continue
			}
			if first, twice := where[text]; twice {
				return key.Errorf(row, "the key is on %s already; mark table %s long = true if it has several lines a key", key.Where(int(first)), spec.Name)
			}
			where[text] = int32(row)
		}
		rows, matched := make([]int32, f.tables[0].Rows), 0
		for row := range rows {
			rows[row] = -1
			if match, ok := where[on.Text(row)]; ok {
				rows[row] = match
				matched++
			}
		}
		if matched == 0 && len(rows) > 0 {
			return f.manifest.Errorf(at+".key", "no value of %q in table %s is in column %q of the main table", spec.Key, spec.Name, spec.On)
		}
		f.joined[t] = rows
	}
	return nil
}

// column finds a column by name: a derived one, then one of the main and joined
// tables. "table.column" picks a table when a name is in several. path is the
// manifest key that asks, for the error.
func (f *frame) column(path, name string) (field, error) {
	if d, ok := f.derived[name]; ok {
		return d, nil
	}
	var found []int
	for t := range f.tables {
		if f.visible(t) && f.tables[t].Column(name) != nil && (t == 0 || f.manifest.Tables[t].Key != name) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 1:
		return field{f.tables[found[0]].Column(name), f.joined[found[0]]}, nil
	case 0:
		for t, spec := range f.manifest.Tables {
			if column, ok := strings.CutPrefix(name, spec.Name+"."); ok && f.visible(t) && f.tables[t].Column(column) != nil {
				return field{f.tables[t].Column(column), f.joined[t]}, nil
			}
		}
		return field{}, f.manifest.Errorf(path, "there is no column %q%s", name, didYouMean(name, f.known()))
	}
	var tables []string
	for _, t := range found {
		tables = append(tables, f.manifest.Tables[t].Name+"."+name)
	}
	return field{}, f.manifest.Errorf(path, "column %q is in several tables; write one of %s", name, strings.Join(tables, ", "))
}

// visible reports whether table t is the main one or has been joined to it.
func (f *frame) visible(t int) bool {
	return t == 0 || f.joined[t] != nil
}

// names lists the columns of the frame: tables first, then derived ones.
func (f *frame) names() []string {
	var names []string
	for t := range f.tables {
		if f.visible(t) {
			names = append(names, f.tables[t].Names()...)
		}
	}
	return append(names, f.order...)
}

// known lists all columns there are, read or not, for suggestions.
func (f *frame) known() []string {
	names := f.names()
	for t := range f.tables {
		if f.visible(t) {
			names = append(names, f.tables[t].Available...)
		}
	}
	return names
}

// long returns the long table of a sequence.
func (f *frame) long(name string) (*table.Table, manifest.Table) {
	t := slices.IndexFunc(f.manifest.Tables, func(t manifest.Table) bool { return t.Name == name })
	return f.tables[t], f.manifest.Tables[t]
}

// longColumn finds a column of a long table.
func (f *frame) longColumn(path string, t *table.Table, name string) (*table.Column, error) {
	if c := t.Column(name); c != nil {
		return c, nil
	}
	return nil, f.manifest.Errorf(path, "table %s has no column %q%s", t.Name, name, didYouMean(name, t.Available))
}

// wanted selects the columns that a manifest mentions, so that others are not
// kept in memory.
func wanted(m *manifest.Manifest) func(string) bool {
	names := map[string]bool{}
	var prefixes []string
	add := func(list ...string) {
		for _, name := range list {
			names[name] = true
			for _, t := range m.Tables {
				if column, ok := strings.CutPrefix(name, t.Name+"."); ok {
					names[column] = true
				}
			}
		}
	}
	add(m.Rows.ID, m.Rows.Patient, m.Rows.Environment, m.Rows.Time, m.Label.Column)
	add(m.Rows.DropEmpty...)
	add(m.Label.Columns...)
	add(m.Covariates...)
	add(m.Categorical...)
	for _, t := range m.Tables {
		add(t.Key, t.On)
	}
	for _, c := range m.Columns {
		add(c.From)
		add(templateFields(c.Template)...)
	}
	for _, x := range m.Modalities {
		add(x.Columns...)
		add(x.Time, x.Until, x.Index, x.Code, x.Value)
		if x.Prefix != "" {
			prefixes = append(prefixes, x.Prefix)
		}
	}
	for _, g := range m.Groups {
		add(g.Column)
	}
	return func(name string) bool {
		return names[name] || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	}
}

// checkNames reports a categorical column that nothing has, which would
// otherwise go unnoticed.
func (f *frame) checkNames() error {
	for _, name := range f.manifest.Categorical {
		known := f.names()
		for t, spec := range f.manifest.Tables {
			if spec.Long {
				known = append(known, f.tables[t].Names()...)
			}
		}
		if slices.Contains(known, name) {
			continue
		}
		return f.manifest.Errorf("categorical", "there is no column %q%s", name, didYouMean(name, append(known, f.known()...)))
	}
	return nil
}
