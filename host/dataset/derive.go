package dataset

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/host/dataset/table"
)

var placeholder = regexp.MustCompile(`\{([^{}]+)\}`)

// templateFields lists the columns in a template.
func templateFields(template string) []string {
	var names []string
	for _, match := range placeholder.FindAllStringSubmatch(template, -1) {
		names = append(names, match[1])
	}
	return names
}

// derive adds the derived columns of the main table that are ready: those before
// the join when joined is false, since a key may be a derived column, and the
// others after it.
func (f *frame) derive(joined bool) error {
	for i, spec := range f.manifest.Columns {
		if _, done := f.derived[spec.Name]; done {
			continue
		}
		path := fmt.Sprintf("column[%d]", i)
		if spec.Template != "" {
			made, err := f.template(path, spec)
			if err != nil {
				if joined {
					return err
				}
				continue
			}
			f.keep(spec.Name, made)
			continue
		}
		source, err := f.column(path+".from", spec.From)
		if err != nil {
			if !joined {
				continue
			}
			// A column of a long table is replaced where it stands.
			if done, failed := f.deriveLong(path, spec); failed != nil {
				return failed
			} else if done {
				continue
			}
			return err
		}
		made, err := f.transform(path, spec, source.Column)
		if err != nil {
			return err
		}
		f.keep(spec.Name, field{made, source.rows})
	}
	return nil
}

func (f *frame) keep(name string, made field) {
	f.derived[name] = made
	f.order = append(f.order, name)
}

func (f *frame) template(path string, spec manifest.Column) (field, error) {
	names := templateFields(spec.Template)
	if len(names) == 0 {
		return field{}, f.manifest.Errorf(path+".template", "%q names no column; write it in braces", spec.Template)
	}
	fields := map[string]field{}
	for _, name := range names {
		source, err := f.column(path+".template", name)
		if err != nil {
			return field{}, err
		}
		fields[name] = source
	}
	values := make([]string, f.tables[0].Rows)
	for row := range values {
		complete := true
		values[row] = placeholder.ReplaceAllStringFunc(spec.Template, func(match string) string {
			text := fields[match[1:len(match)-1]].Text(row)
			complete = complete && text != ""
			return text
		})
		if !complete {
			values[row] = ""
		}
	}
	where := fields[names[0]]
	return field{table.NewText(spec.Name, values, where.Where), nil}, nil
}

// transform applies map, then limits, to a column.
func (f *frame) transform(path string, spec manifest.Column, source *table.Column) (*table.Column, error) {
	if spec.Map != nil {
		mapped, err := f.mapped(path, spec, source)
		if err != nil {
			return nil, err
		}
		source = mapped
	}
	if spec.Min == nil && spec.Max == nil {
		return renamed(spec.Name, source), nil
	}
	low, high := math.Inf(-1), math.Inf(1)
	if spec.Min != nil {
		low = *spec.Min
	}
	if spec.Max != nil {
		high = *spec.Max
	}
	values, beyond := make([]float64, source.Len()), 0
	for row := range values {
		v, err := source.Number(row)
		if err != nil {
			return nil, err
		}
		if v < low || v > high {
			v = math.NaN()
			beyond++
		}
		values[row] = v
	}
	if beyond > 0 {
		f.dropped = append(f.dropped, Dropped{Reason: fmt.Sprintf("cells of %s outside its limits, now missing", spec.Name), Count: beyond})
	}
	return table.NewNumbers(spec.Name, values, source.Where), nil
}

func renamed(name string, c *table.Column) *table.Column {
	out := *c
	out.Name = name
	return &out
}

func (f *frame) mapped(path string, spec manifest.Column, source *table.Column) (*table.Column, error) {
	match := newMatcher(spec.Map)
	values := make([]string, source.Len())
	for row := range values {
		text := source.Text(row)
		if text == "" {
			continue
		}
		to, ok := match.find(text)
		if !ok {
			return nil, f.manifest.Errorf(path+".map", "%w", source.Errorf(row, "%q is not in the map; add it, with \"\" for missing", text))
		}
		values[row] = to
	}
	return table.NewText(spec.Name, values, source.Where), nil
}

func (f *frame) deriveLong(path string, spec manifest.Column) (bool, error) {
	for t, tab := range f.tables {
		if !f.manifest.Tables[t].Long {
			continue
		}
		name := strings.TrimPrefix(spec.From, tab.Name+".")
		source := tab.Column(name)
		if source == nil {
			continue
		}
		to := spec
		to.Name = strings.TrimPrefix(spec.Name, tab.Name+".")
		made, err := f.transform(path, to, source)
		if err != nil {
			return false, err
		}
		if existing := tab.Column(to.Name); existing != nil {
			*existing = *made
		} else {
			tab.Columns = append(tab.Columns, made)
		}
		return true, nil
	}
	return false, nil
}

// matcher looks up texts, and numbers that are written differently.
type matcher struct {
	texts   map[string]string
	numbers map[float64]string
}

func newMatcher(texts map[string]string) matcher {
	m := matcher{texts, map[float64]string{}}
	for from, to := range texts {
		if v, err := strconv.ParseFloat(from, 64); err == nil {
			m.numbers[v] = to
		}
	}
	return m
}

func (m matcher) find(text string) (string, bool) {
	if to, ok := m.texts[text]; ok {
		return to, true
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		to, ok := m.numbers[v]
		return to, ok
	}
	return "", false
}
