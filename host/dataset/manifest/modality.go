package manifest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
)

func (m *Manifest) validateModalities() error {
	names := map[string]bool{}
	for i, x := range m.Modalities {
		at := fmt.Sprintf("modality[%d]", i)
		if !nameRule.MatchString(x.Name) {
			return m.Errorf(at+".name", "%q is not a name: letters, digits, dot, dash and underscore, at most 64", x.Name)
		}
		if names[x.Name] {
			return m.Errorf(at+".name", "%q is used twice", x.Name)
		}
		names[x.Name] = true
		if err := m.oneOf(at+".kind", string(x.Kind), string(features.Tabular), string(features.Sequence), string(features.Embedding)); err != nil {
			return err
		}
		if err := m.oneOf(at+".availability", x.Availability, "any", "all"); err != nil {
			return err
		}
		given := 0
		for _, one := range []bool{len(x.Columns) > 0 || x.Prefix != "", x.Array != "", len(x.Codes) > 0} {
			if one {
				given++
			}
		}
		if given != 1 {
			return m.Errorf(at, "modality %s: give exactly one of columns (or prefix), array and codes", x.Name)
		}
		for _, list := range []struct {
			key   string
			names []string
		}{{"columns", x.Columns}, {"codes", x.Codes}} {
			if name, twice := duplicate(list.names); twice {
				return m.Errorf(at+"."+list.key, "%q is listed twice", name)
			}
		}
		check := m.validateStatic
		if x.Kind == features.Sequence {
			check = m.validateSequence
		}
		if err := check(at, x); err != nil {
			return err
		}
	}
	return nil
}

// validateStatic checks a modality that has one vector a row.
func (m *Manifest) validateStatic(at string, x Modality) error {
	for _, key := range []struct {
		name string
		set  bool
	}{
		{"codes", len(x.Codes) > 0}, {"table", x.Table != ""}, {"time", x.Time != ""}, {"length", x.Length != 0}, {"keep", x.Keep != ""},
		{"until", x.Until != ""}, {"code", x.Code != ""}, {"value", x.Value != ""}, {"bucket", x.Bucket != ""},
		{"aggregate", x.Aggregate != ""}, {"lengths", x.Lengths != ""},
	} {
		if key.set {
			return m.Errorf(at+"."+key.name, "is for kind = %q, modality %s is %s", features.Sequence, x.Name, x.Kind)
		}
	}
	if x.Index != "" && x.Array == "" {
		return m.Errorf(at+".index", "goes with array")
	}
	return nil
}

func (m *Manifest) validateSequence(at string, x Modality) error {
	if err := m.oneOf(at+".keep", x.Keep, "last", "first"); err != nil {
		return err
	}
	if x.Length < 0 || x.Length > 1<<20 {
		return m.Errorf(at+".length", "is %d, not a number of steps", x.Length)
	}
	if x.Array != "" {
		for _, key := range []struct{ name, value string }{{"table", x.Table}, {"time", x.Time}, {"until", x.Until}, {"bucket", x.Bucket}, {"aggregate", x.Aggregate}, {"code", x.Code}, {"value", x.Value}} {
			if key.value != "" {
				return m.Errorf(at+"."+key.name, "is for a sequence from a long table, not from an array")
			}
		}
		return nil
	}
	switch {
	case x.Index != "" || x.Lengths != "":
		return m.Errorf(at, "modality %s: index and lengths go with array", x.Name)
	case x.Length == 0:
		return m.Errorf(at+".length", "is missing; give the largest number of steps of the sequence")
	case x.Time == "":
		return m.Errorf(at+".time", "is missing; name the column that orders the steps")
	}
	t := -1
	names := make([]string, len(m.Tables))
	for i := range m.Tables {
		names[i] = m.Tables[i].Name
		if names[i] == x.Table {
			t = i
		}
	}
	if t < 0 {
		hint := ""
		if near := sdk.Nearest(x.Table, names); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		return m.Errorf(at+".table", "there is no table %q%s", x.Table, hint)
	}
	if !m.Tables[t].Long {
		return m.Errorf(at+".table", "table %q is not marked long = true", x.Table)
	}
	if len(x.Codes) == 0 {
		if x.Code != "" || x.Value != "" {
			return m.Errorf(at, "modality %s: code and value go with codes", x.Name)
		}
		if x.Bucket != "" || x.Aggregate != "" {
			return m.Errorf(at, "modality %s: bucket and aggregate go with codes", x.Name)
		}
		return nil
	}
	if x.Bucket == "" {
		if x.Aggregate != "" {
			return m.Errorf(at+".aggregate", "goes with bucket")
		}
		return nil
	}
	if _, err := ParseBucket(x.Bucket); err != nil {
		return m.Errorf(at+".bucket", "%w", err)
	}
	return m.oneOf(at+".aggregate", x.Aggregate, "mean", "last", "min", "max", "sum", "count")
}

// ParseBucket reads the width of a period: a duration ("90m", "4h", "1d"), in
// seconds, or a plain number in the unit of a numeric time column.
func ParseBucket(text string) (float64, error) {
	width, err := strconv.ParseFloat(text, 64)
	if err != nil {
		days, isDays := strings.CutSuffix(text, "d")
		if n, failed := strconv.ParseFloat(days, 64); isDays && failed == nil {
			width = n * 24 * 3600
		} else {
			d, failed := time.ParseDuration(text)
			if failed != nil {
				return 0, fmt.Errorf("%q is neither a number nor a duration such as 30m, 4h or 1d", text)
			}
			width = d.Seconds()
		}
	}
	if !(width > 0) || math.IsInf(width, 0) {
		return 0, fmt.Errorf("%q is not a positive width", text)
	}
	return width, nil
}
