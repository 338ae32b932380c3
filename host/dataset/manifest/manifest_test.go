package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const minimal = `version = 1
name = "demo"

[[table]]
file = "patients.csv"

[rows]
id = "id"

[label]
column = "died"
task = "binary"

[[modality]]
name = "labs"
columns = ["hb", "na"]
`

func TestParse(t *testing.T) {
	m, err := Parse("dataset.toml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if m.Tables[0].Name != "patients" || m.Tables[0].Format != "csv" {
		t.Errorf("got table %+v, want the defaults patients, csv", m.Tables[0])
	}
	if m.Rows.Patient != "id" {
		t.Errorf("got patient %q, want the row id", m.Rows.Patient)
	}
	if x := m.Modalities[0]; x.Kind != "tabular" || x.Availability != "any" {
		t.Errorf("got modality %+v, want tabular, any", x)
	}
}

// Every mistake is reported with its line, its key and a way out.
func TestParse_Err(t *testing.T) {
	const long = "\n[[table]]\nname = \"visits\"\nfile = \"visits.csv\"\nkey = \"id\"\nlong = true\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"unknown key":           {minimal + "colums = []\n", []string{"dataset.toml:17:", "modality[0].colums", "unknown key", "did you mean columns?"}},
		"unknown table":         {minimal + "[grup]\nx = 1\n", []string{"dataset.toml:17:", "grup", "did you mean group?"}},
		"unknown inline key":    {minimal + "[[group]]\ncolumn = \"sex\"\nlabels = { 0 = \"f\" }\ncut = [1]\n", []string{":20:", "group[0].cut", "did you mean cuts?"}},
		"unknown part key":      {minimal + "[[table]]\nkey = \"id\"\npart = [\n  { file = \"a.csv\" },\n  { fil = \"b.csv\" },\n]\n", []string{":21:", "table[1].part[1].fil", "did you mean file?"}},
		"two unknown keys":      {"colour = 1\n" + minimal + "shape = 2\n", []string{":1:", "colour", ":18:", "shape", "known here"}},
		"syntax":                {minimal + "x = = 1\n", []string{"dataset.toml:17:"}},
		"wrong type":            {strings.Replace(minimal, `"demo"`, "3", 1), []string{"dataset.toml", "name"}},
		"version":               {strings.Replace(minimal, "version = 1", "version = 2", 1), []string{":1:", "version = 1"}},
		"name":                  {strings.Replace(minimal, `"demo"`, `"a|b"`, 1), []string{":2:", "name"}},
		"no table":              {"version = 1\nname = \"x\"\n", []string{"table", "at least one"}},
		"no row id":             {strings.Replace(minimal, `id = "id"`, "", 1), []string{":7:", "rows.id", "is missing"}},
		"task":                  {strings.Replace(minimal, `"binary"`, `"binray"`, 1), []string{":12:", "label.task", "did you mean binary?"}},
		"classes of a binary":   {strings.Replace(minimal, `"binary"`, "\"binary\"\nclasses = [\"a\", \"b\"]", 1), []string{":13:", "label.classes"}},
		"multiclass":            {strings.Replace(minimal, `"binary"`, `"multiclass"`, 1), []string{"label.classes"}},
		"multilabel":            {strings.Replace(minimal, `"binary"`, `"multilabel"`, 1), []string{"label.columns"}},
		"file and part":         {strings.Replace(minimal, "[rows]", "[[table.part]]\nfile = \"b\"\n[rows]", 1), []string{":4:", "table[0]", "file or"}},
		"modality twice":        {minimal + "[[modality]]\nname = \"labs\"\ncolumns = [\"k\"]\n", []string{":18:", "modality[1].name", "twice"}},
		"column twice":          {strings.Replace(minimal, `"na"`, `"hb"`, 1), []string{":16:", "modality[0].columns", "listed twice"}},
		"kind":                  {minimal + "kind = \"sequnce\"\n", []string{":17:", "did you mean sequence?"}},
		"columns and array":     {minimal + "array = \"x.npy\"\n", []string{":14:", "exactly one of"}},
		"length of tabular":     {minimal + "length = 3\n", []string{":17:", "modality[0].length", "sequence"}},
		"sequence without long": {minimal + "kind = \"sequence\"\nlength = 3\ntime = \"t\"\ntable = \"patients\"\n", []string{"not marked long"}},
		"sequence table":        {minimal + "kind = \"sequence\"\nlength = 3\ntime = \"t\"\ntable = \"visit\"\n" + long, []string{":20:", "did you mean visits?"}},
		"bucket":                {strings.Replace(minimal, "columns", "codes", 1) + "kind = \"sequence\"\nlength = 3\nbucket = \"4x\"\ntable = \"visits\"\n" + long, []string{":19:", "bucket", "duration"}},
		"key of the main table": {strings.Replace(minimal, "[rows]", "key = \"id\"\n[rows]", 1), []string{"main one"}},
		"join without key":      {minimal + "[[table]]\nfile = \"b.csv\"\n", []string{":17:", "table[1].key", "is missing"}},
		"idle column":           {minimal + "[[column]]\nname = \"hb\"\n", []string{":17:", "column[0]", "changes nothing"}},
		"limits":                {minimal + "[[column]]\nname = \"hb\"\nmin = 3\nmax = 2.5\n", []string{":19:", "above max"}},
		"cuts":                  {minimal + "[[group]]\ncolumn = \"age\"\ncuts = [60, 40]\n", []string{":19:", "ascending"}},
		"reserved group":        {minimal + "[[group]]\ncolumn = \"pattern\"\n", []string{"built-in"}},
	} {
		_, err := Parse("some/where/dataset.toml", []byte(c.text))
		if err == nil {
			t.Errorf("%s: got no error", name)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %q, want it to contain %q", name, err, want)
			}
		}
	}
}

func TestLocate(t *testing.T) {
	text := `# comment = 1
name = "a" # name2 = 3
text = """
key = "not a key"
"""
'single' = 'it is'
list = [
  1, # [x]
  { a = 2,
    b = 3 },
]
[[table]]
file = "a"
[[table.part]]
file = "b"
[[table.part]]
file = "c"
[[table]]
[table.na_columns]
"odd key" = []
`
	p := locate(text)
	if _, found := p["key"]; found {
		t.Error("found a key within a string")
	}
	for path, want := range map[string]int{
		"name": 2, "text": 3, "single": 6, "list": 7, "list[1].a": 9, "list[1].b": 10, "table[0]": 12, "table[0].file": 13, "table[0].part[0].file": 15,
		"table[0].part[1].file": 17, "table[1]": 18, "table[1].na_columns.odd key": 20,
	} {
		if p[path] != want {
			t.Errorf("%s: got line %d, want %d", path, p[path], want)
		}
	}
}

func TestParseBucket(t *testing.T) {
	for text, want := range map[string]float64{"4h": 14400, "30m": 1800, "1d": 86400, "0.5d": 43200, "12": 12} {
		if got, err := ParseBucket(text); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "-1", "0", "inf", "nan", "4 parsecs"} {
		if _, err := ParseBucket(text); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}

// Parse neither panics nor accepts what its own checks forbid, whatever the
// bytes; and the file name is in every error.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	for _, pattern := range []string{"../testdata/manifests/*.toml", "../bundled/*/dataset.toml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Add([]byte("a = \"\\"))
	f.Add([]byte("[[table"))
	f.Add([]byte("x = {a = [1, {b = '''"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse("fuzz.toml", text)
		if err != nil {
			if !strings.Contains(err.Error(), "fuzz.toml") {
				t.Errorf("got error %q without the file", err)
			}
			return
		}
		if m.Version != 1 || len(m.Tables) == 0 || len(m.Modalities) == 0 || len(m.Modalities) > 64 || m.Rows.ID == "" {
			t.Errorf("accepted %+v", m)
		}
	})
}
