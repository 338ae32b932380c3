package dataset

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features/npy"
)

// head begins manifests of tests; the main table is main.csv with columns id, y.
const head = `version = 1
name = "demo"
[rows]
id = "id"
[label]
column = "y"
task = "binary"
[[table]]
file = "main.csv"
`

// load writes files into a directory and loads the manifest there.
func load(t *testing.T, text string, files map[string]string) (*Source, error) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "dataset.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(dir)
}

func mustLoad(t *testing.T, text string, files map[string]string) *Source {
	t.Helper()
	src, err := load(t, text, files)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func array(t *testing.T, values []float32, shape ...int) string {
	t.Helper()
	var data bytes.Buffer
	if err := npy.Write(&data, values, shape...); err != nil {
		t.Fatal(err)
	}
	return data.String()
}

// row returns the values of a modality for the row with an identifier, and
// whether the row has the modality.
func row(t *testing.T, src *Source, m int, id string) ([]float32, bool) {
	t.Helper()
	i := slices.Index(src.ids, id)
	if i < 0 {
		t.Fatalf("no row %q in %v", id, src.ids)
	}
	size := src.modalities[m].Width * max(src.modalities[m].Length, 1)
	values := src.values[m].Data[i*size : (i+1)*size]
	if n := src.values[m].Lengths; n != nil {
		values = values[:int(n[i])*src.modalities[m].Width]
	}
	return values, src.availability[i]>>m&1 == 1
}

func checkRow(t *testing.T, src *Source, m int, id string, present bool, want ...float32) {
	t.Helper()
	got, has := row(t, src, m, id)
	same := slices.EqualFunc(got, want, func(a, b float32) bool { return a == b || (a != a && b != b) })
	if !same || has != present {
		t.Errorf("row %s of %s: got %v, present %v, want %v, %v", id, src.modalities[m].Name, got, has, want, present)
	}
}

var nan = float32(math.NaN())

func TestLoad_Join(t *testing.T) {
	src := mustLoad(t, head+`
[[column]]
name = "key"
template = "{site}-{no}"
[[table]]
name = "labs"
file = "labs.csv"
key = "ref"
on = "key"
[[table]]
name = "echo"
file = "echo.csv"
key = "id"
[[modality]]
name = "labs"
columns = ["hb", "labs.note"]
availability = "all"
[[modality]]
name = "echo"
prefix = "e_"
`, map[string]string{
		"main.csv": "id,y,site,no,note\n1,0,A,1,9\n2,1,A,2,9\n3,1,B,1,9\n",
		"labs.csv": "ref,hb,note\nA-1,10,1\nB-1,12,\nC-1,0,0\n",
		"echo.csv": "id,e_a,e_b\n2,5,\n1,,\n",
	})
	checkRow(t, src, 0, "1", true, 10, 1)
	checkRow(t, src, 0, "2", false, nan, nan)
	checkRow(t, src, 0, "3", false, 12, nan) // availability = all
	checkRow(t, src, 1, "2", true, 5, nan)
	checkRow(t, src, 1, "1", false, nan, nan)
	checkRow(t, src, 1, "3", false, nan, nan)
}

func TestLoad_OneHot(t *testing.T) {
	src := mustLoad(t, `categorical = ["cp", "race"]
covariates = ["race"]
`+head+`
[[modality]]
name = "x"
columns = ["cp", "race"]
`, map[string]string{"main.csv": "id,y,cp,race\n1,0,3.0,b\n2,1,1,a\n3,1,,a\n4,0,3,b\n"})
	if want := []string{"cp=1", "cp=3", "race=a", "race=b"}; !slices.Equal(src.modalities[0].Columns, want) {
		t.Fatalf("got columns %v, want %v", src.modalities[0].Columns, want)
	}
	checkRow(t, src, 0, "1", true, 0, 1, 0, 1)
	checkRow(t, src, 0, "2", true, 1, 0, 1, 0)
	checkRow(t, src, 0, "3", true, nan, nan, 1, 0)
	checkRow(t, src, 0, "4", true, 0, 1, 0, 1)
	if want := []string{"race=a", "race=b"}; !slices.Equal(src.covariate, want) {
		t.Errorf("got covariates %v, want %v", src.covariate, want)
	}
}

const visits = head + `
[[table]]
name = "visits"
file = "visits.csv"
key = "id"
long = true
[[modality]]
name = "vitals"
kind = "sequence"
table = "visits"
time = "day"
columns = ["hr", "bp"]
length = 2
`

func TestLoad_Sequence(t *testing.T) {
	files := map[string]string{
		"main.csv":   "id,y,upto\n1,0,2020-01-03\n2,1,2020-01-02\n3,0,\n4,0,2020-01-09\n",
		"visits.csv": "id,day,hr,bp\n1,2020-01-03,3,\n1,2020-01-01,1,10\n2,2020-01-02,7,70\n1,2020-01-02,2,20\n2,2020-01-04,8,80\n3,2020-01-01,,\n2,,9,90\n",
	}
	src := mustLoad(t, visits, files)
	checkRow(t, src, 0, "1", true, 2, 20, 3, nan) // the last two of three, in order of time
	checkRow(t, src, 0, "2", true, 7, 70, 8, 80)
	checkRow(t, src, 0, "3", false) // a line without a value is no step
	checkRow(t, src, 0, "4", false)
	if len(src.dropped) != 1 || src.dropped[0].Count != 1 {
		t.Errorf("got dropped %+v, want the line without a time", src.dropped)
	}

	src = mustLoad(t, visits+"keep = \"first\"\nuntil = \"upto\"\n", files)
	checkRow(t, src, 0, "1", true, 1, 10, 2, 20)
	checkRow(t, src, 0, "2", true, 7, 70) // the later line is not known yet
	checkRow(t, src, 0, "3", false)       // without a limit nothing is known to be earlier
}

const events = head + `
[[table]]
name = "events"
file = "events.csv"
key = "subject_id"
long = true
[[modality]]
name = "ward"
kind = "sequence"
table = "events"
codes = ["HR", "LAB//*"]
length = 4
`

var eventFiles = map[string]string{
	"main.csv":   "id,y\n1,0\n2,1\n3,0\n",
	"events.csv": "subject_id,time,code,numeric_value\n1,0,HR,60\n1,30,HR,80\n1,59,LAB//K,4\n1,60,BIRTH,\n1,190,LAB//NA,140\n2,5,HR,\n3,7,OTHER,1\n",
}

func TestLoad_EventsBucketed(t *testing.T) {
	src := mustLoad(t, events+"bucket = \"60\"\n", eventFiles)
	if want := []string{"elapsed", "HR", "LAB//*"}; !slices.Equal(src.modalities[0].Columns, want) {
		t.Fatalf("got columns %v, want %v", src.modalities[0].Columns, want)
	}
	checkRow(t, src, 0, "1", true, 0, 70, 4, 180, nan, 140)
	checkRow(t, src, 0, "2", false)
	checkRow(t, src, 0, "3", false)

	src = mustLoad(t, events+"bucket = \"60\"\naggregate = \"count\"\n", eventFiles)
	checkRow(t, src, 0, "1", true, 0, 2, 1, 180, 0, 1)
	checkRow(t, src, 0, "2", true, 0, 1, 0)

	for aggregate, want := range map[string]float32{"last": 80, "min": 60, "max": 80, "sum": 140} {
		src = mustLoad(t, events+"bucket = \"60\"\naggregate = \""+aggregate+"\"\n", eventFiles)
		checkRow(t, src, 0, "1", true, 0, want, 4, 180, nan, 140)
	}
}

func TestLoad_EventsOrdered(t *testing.T) {
	src := mustLoad(t, events, eventFiles)
	if want := []string{"elapsed", "HR", "HR:value", "LAB//*", "LAB//*:value"}; !slices.Equal(src.modalities[0].Columns, want) {
		t.Fatalf("got columns %v, want %v", src.modalities[0].Columns, want)
	}
	checkRow(t, src, 0, "1", true,
		0, 1, 60, 0, nan,
		30, 1, 80, 0, nan,
		29, 0, nan, 1, 4,
		131, 0, nan, 1, 140)
	checkRow(t, src, 0, "2", true, 0, 1, nan, 0, nan)
	checkRow(t, src, 0, "3", false)
}

func TestLoad_Array(t *testing.T) {
	src := mustLoad(t, head+`
[[modality]]
name = "image"
kind = "embedding"
array = "image.npy"
index = "image"
[[modality]]
name = "wave"
kind = "sequence"
array = "wave.npy"
lengths = "n.npy"
length = 2
[[modality]]
name = "plain"
array = "plain.npy"
`, map[string]string{
		"main.csv":  "id,y,image\n1,0,1\n2,1,\n3,0,0\n",
		"image.npy": array(t, []float32{1, 2, 3, 4}, 2, 2),
		"wave.npy":  array(t, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 3, 3, 1),
		"n.npy":     array(t, []float32{3, 0, 1}, 3),
		"plain.npy": array(t, []float32{1, nan, 3}, 3, 1),
	})
	checkRow(t, src, 0, "1", true, 3, 4)
	checkRow(t, src, 0, "2", false, nan, nan)
	checkRow(t, src, 0, "3", true, 1, 2)
	checkRow(t, src, 1, "1", true, 2, 3)
	checkRow(t, src, 1, "2", false)
	checkRow(t, src, 1, "3", true, 7)
	checkRow(t, src, 2, "1", true, 1)
	checkRow(t, src, 2, "2", false, nan)
}

func TestLoad_Labels(t *testing.T) {
	const x = "\n[[modality]]\nname = \"x\"\ncolumns = [\"x\"]\n"
	src := mustLoad(t, strings.Replace(head, `"binary"`, "\"multiclass\"\nclasses = [\"low\", \"mid\", \"high\"]", 1)+x,
		map[string]string{"main.csv": "id,y,x\n1,mid,1\n2,low,2\n3,high,3\n"})
	if src.task != (sdk.Task{Kind: sdk.Multiclass, Classes: 3}) {
		t.Errorf("got task %+v", src.task)
	}
	for id, want := range map[string]float32{"1": 1, "2": 0, "3": 2} {
		if got := src.labels[slices.Index(src.ids, id)]; got != want {
			t.Errorf("class of row %s: got %v, want %v", id, got, want)
		}
	}

	src = mustLoad(t, strings.Replace(head, "column = \"y\"\ntask = \"binary\"", "columns = [\"a\", \"b\"]\ntask = \"multilabel\"\npositive = [\"yes\"]", 1)+x,
		map[string]string{"main.csv": "id,a,b,x\n1,yes,,1\n2,no,yes,2\n"})
	i := slices.Index(src.ids, "1") * 2
	if src.labels[i] != 1 || src.labels[i+1] == src.labels[i+1] || src.labels[2-i] != 0 || src.labels[3-i] != 1 {
		t.Errorf("got labels %v of rows %v", src.labels, src.ids)
	}
}

func TestLoad_Columns(t *testing.T) {
	src := mustLoad(t, head+`
[[column]]
name = "male"
from = "sex"
map = { f = "0", m = "1", "9" = "" }
[[column]]
name = "bp"
min = 30
max = 300
[[modality]]
name = "x"
columns = ["male", "bp"]
[[group]]
name = "band"
column = "age"
cuts = [40, 60]
[[group]]
column = "sex"
labels = { f = "female", "9.0" = "other", missing = "other" }
`, map[string]string{"main.csv": "id,y,sex,bp,age\n1,0,m,120,40\n2,1,f,1342,39.5\n3,0,9.0,20,60\n4,0,,,\n"})
	checkRow(t, src, 0, "1", true, 1, 120)
	checkRow(t, src, 0, "2", true, 0, nan)
	checkRow(t, src, 0, "3", false, nan, nan)
	if len(src.dropped) != 1 || src.dropped[0].Count != 2 {
		t.Errorf("got dropped %+v, want two cells beyond the limits", src.dropped)
	}
	band, sex := src.groups[0], src.groups[1]
	for id, want := range map[string]string{"1": "40-60", "2": "<40", "3": ">=60", "4": "missing"} {
		if got := band.Levels[band.Values[slices.Index(src.ids, id)]]; got != want {
			t.Errorf("band of row %s: got %s, want %s", id, got, want)
		}
	}
	if want := []string{"other", "female", "m"}; !slices.Equal(sex.Levels, want) || sex.Values[slices.Index(src.ids, "4")] != 0 {
		t.Errorf("got levels %v, want %v", sex.Levels, want)
	}
}

// The order of rows follows neither the file nor the label.
func TestLoad_Order(t *testing.T) {
	var sorted strings.Builder
	sorted.WriteString("id,y,x\n")
	for i := range 400 {
		sorted.WriteString(strings.Join([]string{string(rune('a'+i/26)) + string(rune('a'+i%26)), map[bool]string{true: "1", false: "0"}[i >= 200], "1"}, ",") + "\n")
	}
	src := mustLoad(t, head+"\n[[modality]]\nname = \"x\"\ncolumns = [\"x\"]\n", map[string]string{"main.csv": sorted.String()})
	ones := 0
	for _, y := range src.labels[:200] {
		ones += int(y)
	}
	if ones < 75 || ones > 125 {
		t.Errorf("got %d of 200 positive labels in the first half, want about 100", ones)
	}
}

func TestLoad_Err(t *testing.T) {
	const x = "\n[[modality]]\nname = \"x\"\ncolumns = [\"x\"]\n"
	good := map[string]string{"main.csv": "id,y,x,t\n1,0,1,5\n2,1,2,6\n"}
	with := func(text string) map[string]string { return map[string]string{"main.csv": text} }
	for name, c := range map[string]struct {
		text  string
		files map[string]string
		want  []string
	}{
		"no file":             {head + x, nil, []string{"dataset.toml:9:", "table[0].file", "no such file", "looked for in"}},
		"no column":           {strings.Replace(head+x, `["x"]`, `["xx"]`, 1), good, []string{"dataset.toml:13:", "modality[0].columns", `"xx"`, "did you mean x?"}},
		"no prefix":           {head + "\n[[modality]]\nname = \"x\"\nprefix = \"q_\"\n", good, []string{":13:", "prefix"}},
		"text cell":           {head + x, with("id,y,x\n1,0,1\n2,1,high\n"), []string{"main.csv:3", `column "x"`, `"high" is not a number`, "categorical"}},
		"huge cell":           {head + x, with("id,y,x\n1,0,1\n2,1,1e300\n"), []string{"main.csv:3", "single precision"}},
		"label":               {head + x, with("id,y,x\n1,0,1\n2,2,3\n"), []string{"dataset.toml:6:", "label.column", "main.csv:3", `"2"`, "label.positive", "multiclass"}},
		"no label":            {head + x, with("id,y,x\n1,0,1\n2,,3\n"), []string{"main.csv:3", "drop_empty"}},
		"id twice":            {head + x, with("id,y,x\n1,0,1\n1,1,3\n"), []string{"dataset.toml:4:", "main.csv:3", "main.csv:2", "rows.patient"}},
		"never observed":      {head + x, with("id,y,x\n1,0,\n2,1,\n"), []string{"dataset.toml:11:", "modality[0]", "no row has modality x"}},
		"never observed base": {head + x + "always = true\n", with("id,y,x\n1,0,\n2,1,\n"), []string{"no row has modality x"}},
		"no id":               {head + x, with("id,y,x\n1,0,1\n,1,3\n"), []string{"main.csv:3", "identifier"}},
		"nothing left":        {strings.Replace(head, "id = \"id\"", "id = \"id\"\ndrop_empty = [\"x\"]", 1) + x, with("id,y,x\n1,0,\n"), []string{"no row is left"}},
		"covariate missing":   {"covariates = [\"x\"]\n" + head + x, with("id,y,x\n1,0,\n2,1,2\n"), []string{":1:", "covariates", "1 of 2 rows"}},
		"categorical":         {"categorical = [\"z\"]\n" + head + x, good, []string{":1:", "categorical", `"z"`}},
		"map":                 {head + "[[column]]\nname = \"x\"\nmap = { 1 = \"a\" }\n" + x, good, []string{":12:", "column[0].map", "main.csv:3", `"2"`}},
		"joined key twice":    {head + "[[table]]\nfile = \"b.csv\"\nkey = \"id\"\n" + x, map[string]string{"main.csv": good["main.csv"], "b.csv": "id,z\n1,1\n1,2\n"}, []string{"b.csv:3", "long = true"}},
		"nothing joined":      {head + "[[table]]\nfile = \"b.csv\"\nkey = \"id\"\n" + x, map[string]string{"main.csv": good["main.csv"], "b.csv": "id,z\n8,1\n"}, []string{"table[1].key", "no value"}},
		"ambiguous column":    {head + "[[table]]\nfile = \"b.csv\"\nkey = \"id\"\n" + x, map[string]string{"main.csv": good["main.csv"], "b.csv": "id,x\n1,1\n"}, []string{"main.x", "b.x"}},
		"group level":         {head + x + "[[group]]\ncolumn = \"t\"\nlabels = { 55 = \"old\" }\n", good, []string{"group[0].labels", `"55"`}},
		"event code":          {strings.Replace(events, `"HR"`, `"SPO2"`, 1), eventFiles, []string{"modality[0].codes", `"SPO2"`}},
		"sequence column":     {strings.Replace(visits, `"hr"`, `"hrr"`, 1), map[string]string{"main.csv": good["main.csv"], "visits.csv": "id,day,hr,bp\n1,1,1,1\n"}, []string{"did you mean hr?"}},
		"sequence key":        {visits, map[string]string{"main.csv": good["main.csv"], "visits.csv": "id,day,hr,bp\n7,1,1,1\n"}, []string{"no line of table visits"}},
		"sequence time":       {visits, map[string]string{"main.csv": good["main.csv"], "visits.csv": "id,day,hr,bp\n1,soon,1,1\n"}, []string{"visits.csv:2", `"soon"`}},
		"array rows":          {head + "[[modality]]\nname = \"x\"\narray = \"x.npy\"\n", map[string]string{"main.csv": good["main.csv"], "x.npy": array(t, []float32{1}, 1, 1)}, []string{"has 1 rows", "index"}},
		"array shape":         {head + "[[modality]]\nname = \"x\"\narray = \"x.npy\"\n", map[string]string{"main.csv": good["main.csv"], "x.npy": array(t, []float32{1, 2}, 2)}, []string{"dimensions"}},
		"array index":         {head + "[[modality]]\nname = \"x\"\narray = \"x.npy\"\nindex = \"t\"\n", map[string]string{"main.csv": good["main.csv"], "x.npy": array(t, []float32{1, 2}, 2, 1)}, []string{"main.csv:2", "not a row of the array"}},
		"environment levels":  {strings.Replace(head, "id = \"id\"", "id = \"id\"\nenvironment = \"sit\"", 1) + x, good, []string{":5:", "rows.environment"}},
	} {
		_, err := load(t, c.text, c.files)
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

func TestSource_Hash(t *testing.T) {
	text := head + "\n[[modality]]\nname = \"x\"\ncolumns = [\"x\"]\n"
	one := mustLoad(t, text, map[string]string{"main.csv": "id,y,x\n1,0,1\n"}).Hash()
	if again := mustLoad(t, text, map[string]string{"main.csv": "id,y,x\n1,0,1\n"}).Hash(); again != one {
		t.Errorf("the same content: got %s, want %s", again, one)
	}
	if mustLoad(t, text, map[string]string{"main.csv": "id,y,x\n1,0,2\n"}).Hash() == one {
		t.Error("another cell has the same hash")
	}
	if mustLoad(t, text+"# comment\n", map[string]string{"main.csv": "id,y,x\n1,0,1\n"}).Hash() == one {
		t.Error("another manifest has the same hash")
	}
}
