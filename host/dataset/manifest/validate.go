package manifest

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
)

var nameRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// fill sets the defaults that need no data.
func (m *Manifest) fill() {
	for i := range m.Tables {
		t := &m.Tables[i]
		first := t.File
		if first == "" && len(t.Parts) > 0 {
			first = t.Parts[0].File
		}
		base, rest, _ := strings.Cut(filepath.Base(first), ".")
		if t.Name == "" {
			t.Name = base
		}
		if t.Format == "" {
			t.Format = format(rest)
		}
		if i > 0 && t.On == "" {
			t.On = m.Rows.ID
		}
	}
	for i := range m.Columns {
		if c := &m.Columns[i]; c.From == "" && c.Template == "" {
			c.From = c.Name
		}
	}
	if m.Rows.Patient == "" {
		m.Rows.Patient = m.Rows.ID
	}
	for i := range m.Modalities {
		x := &m.Modalities[i]
		x.Kind = or(x.Kind, features.Tabular)
		x.Availability = or(x.Availability, "any")
		if x.Kind == features.Sequence {
			x.Keep = or(x.Keep, "last")
			if len(x.Codes) > 0 {
				x.Code, x.Value, x.Time = or(x.Code, "code"), or(x.Value, "numeric_value"), or(x.Time, "time")
				if x.Bucket != "" {
					x.Aggregate = or(x.Aggregate, "mean")
				}
			}
		}
	}
	for i := range m.Groups {
		m.Groups[i].Name = or(m.Groups[i].Name, m.Groups[i].Column)
	}
}

func or[T ~string](value, fallback T) T {
	if value == "" {
		return fallback
	}
	return value
}

func format(extensions string) string {
	extensions = strings.ToLower(extensions)
	switch {
	case strings.HasSuffix(extensions, "parquet"):
		return "parquet"
	case strings.HasSuffix(extensions, "npy"):
		return "npy"
	}
	return "csv" // also .data, .txt, .csv.gz
}

func (m *Manifest) validate() error {
	switch {
	case m.Version != 1:
		return m.Errorf("version", "is %d; this program reads version = 1", m.Version)
	case !nameRule.MatchString(m.Name) || strings.Contains(m.Name, "|"):
		return m.Errorf("name", "%q is not a name: letters, digits, dot, dash and underscore, at most 64", m.Name)
	case len(m.Tables) == 0:
		return m.Errorf("table", "a dataset needs at least one [[table]]")
	case m.Rows.ID == "":
		return m.Errorf("rows.id", "is missing; name the column that identifies a row")
	case len(m.Modalities) == 0:
		return m.Errorf("modality", "a dataset needs at least one [[modality]]")
	case len(m.Modalities) > sdk.MaxModalities:
		return m.Errorf("modality", "there are %d, the availability mask has room for %d", len(m.Modalities), sdk.MaxModalities)
	}
	for _, check := range []func() error{m.validateTables, m.validateColumns, m.validateLabel, m.validateModalities, m.validateGroups} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) validateTables() error {
	names := map[string]bool{}
	for i, t := range m.Tables {
		at := fmt.Sprintf("table[%d]", i)
		if (t.File == "") == (len(t.Parts) == 0) {
			return m.Errorf(at, "give either file or [[table.part]]")
		}
		for j, part := range t.Parts {
			if part.File == "" {
				return m.Errorf(fmt.Sprintf("%s.part[%d]", at, j), "file is missing")
			}
		}
		if names[t.Name] {
			return m.Errorf(at+".name", "%q is used twice", t.Name)
		}
		names[t.Name] = true
		if err := m.oneOf(at+".format", t.Format, "csv", "parquet", "npy"); err != nil {
			return err
		}
		if len(t.Separator) > 1 || (t.Separator != "" && strings.ContainsAny(t.Separator, "\"\r\n")) {
			return m.Errorf(at+".separator", "%q is not a single character", t.Separator)
		}
		if t.Format == "npy" && len(t.Columns) == 0 {
			return m.Errorf(at+".columns", "an npy table needs names for its columns")
		}
		if t.Format == "parquet" && len(t.Columns) > 0 {
			return m.Errorf(at+".columns", "a parquet file names its columns itself")
		}
		if column, twice := duplicate(t.Columns); twice {
			return m.Errorf(at+".columns", "column %q is listed twice", column)
		}
		if i == 0 {
			if t.Key != "" || t.On != "" || t.Long {
				return m.Errorf(at, "the first table is the main one: key, on and long are for tables joined to it")
			}
		} else if t.Key == "" {
			return m.Errorf(at+".key", "is missing; name the column that is joined to %q of the main table", t.On)
		}
	}
	return nil
}

func duplicate(names []string) (string, bool) {
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			return n, true
		}
		seen[n] = true
	}
	return "", false
}

func (m *Manifest) validateColumns() error {
	names := map[string]bool{}
	for i, c := range m.Columns {
		at := fmt.Sprintf("column[%d]", i)
		switch {
		case c.Name == "":
			return m.Errorf(at+".name", "is missing")
		case names[c.Name]:
			return m.Errorf(at+".name", "%q is derived twice", c.Name)
		case c.Template != "" && (c.From != "" || c.Map != nil || c.Min != nil || c.Max != nil):
			return m.Errorf(at+".template", "cannot be combined with from, map, min or max")
		case c.Template == "" && c.Map == nil && c.Min == nil && c.Max == nil && c.From == c.Name:
			return m.Errorf(at, "changes nothing; give map, min, max, template or another from")
		case c.Min != nil && c.Max != nil && *c.Min > *c.Max:
			return m.Errorf(at+".min", "is %v, above max = %v", *c.Min, *c.Max)
		}
		names[c.Name] = true
	}
	return nil
}

func (m *Manifest) validateLabel() error {
	l := m.Label
	if err := m.oneOf("label.task", l.Task, string(sdk.Binary), string(sdk.Multiclass), string(sdk.Multilabel)); err != nil {
		return err
	}
	multilabel := l.Task == string(sdk.Multilabel)
	switch {
	case multilabel && (l.Column != "" || len(l.Columns) == 0):
		return m.Errorf("label.columns", "a multilabel task needs columns, one for each label, and no column")
	case !multilabel && (l.Column == "" || len(l.Columns) > 0):
		return m.Errorf("label.column", "a %s task needs column, and no columns", l.Task)
	case l.Task == string(sdk.Multiclass) && len(l.Classes) < 2:
		return m.Errorf("label.classes", "list at least two classes, in the order of their index")
	case l.Task != string(sdk.Multiclass) && len(l.Classes) > 0:
		return m.Errorf("label.classes", "is for multiclass tasks")
	case l.Task == string(sdk.Multiclass) && len(l.Positive) > 0:
		return m.Errorf("label.positive", "is for binary and multilabel tasks")
	}
	if class, twice := duplicate(l.Classes); twice {
		return m.Errorf("label.classes", "class %q is listed twice", class)
	}
	if column, twice := duplicate(l.Columns); twice {
		return m.Errorf("label.columns", "column %q is listed twice", column)
	}
	return nil
}

func (m *Manifest) validateGroups() error {
	names := map[string]bool{}
	for i, g := range m.Groups {
		at := fmt.Sprintf("group[%d]", i)
		switch {
		case g.Column == "":
			return m.Errorf(at+".column", "is missing")
		case g.Name == "pattern" || g.Name == "environment" || g.Name == "all":
			return m.Errorf(at+".name", "%q is a built-in group; choose another name", g.Name)
		case names[g.Name]:
			return m.Errorf(at+".name", "%q is used twice", g.Name)
		case !slices.IsSorted(g.Cuts):
			return m.Errorf(at+".cuts", "%v are not in ascending order", g.Cuts)
		}
		for j := 1; j < len(g.Cuts); j++ {
			if g.Cuts[j] == g.Cuts[j-1] {
				return m.Errorf(at+".cuts", "%v is listed twice", g.Cuts[j])
			}
		}
		names[g.Name] = true
	}
	return nil
}

// oneOf checks a value against a closed list.
func (m *Manifest) oneOf(path, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	hint := ""
	if near := sdk.Nearest(value, allowed); near != "" {
		hint = fmt.Sprintf("; did you mean %s?", near)
	}
	if value == "" {
		return m.Errorf(path, "is missing; one of %s", strings.Join(allowed, ", "))
	}
	return m.Errorf(path, "%q is not one of %s%s", value, strings.Join(allowed, ", "), hint)
}
