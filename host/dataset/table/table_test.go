package table

import (
	"bytes"
	"compress/gzip"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/deconfound/deconfound/sdk/features/npy"
)

func file(t *testing.T, name string, data []byte) File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return File{Path: path}
}

func texts(c *Column) []string {
	out := make([]string, c.Len())
	for row := range out {
		out[row] = c.Text(row)
	}
	return out
}

func TestRead_CSV(t *testing.T) {
	text := "\xef\xbb\xbfid, age ,note\n1,40,\"two\nlines\"\n2,?,x\n3,-9.0,\n"
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"a.csv": []byte(text), "a.csv.gz": zipped.Bytes()} {
		got, err := Read([]File{file(t, name, data)}, Options{Name: "a", Format: "csv", NA: []string{"?", "-9"}, RowNumber: "line"})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"id", "age", "note", "line"}; !slices.Equal(got.Names(), want) || got.Rows != 3 {
			t.Fatalf("%s: got columns %v, %d rows", name, got.Names(), got.Rows)
		}
		if want := []string{"40", "", ""}; !slices.Equal(texts(got.Column("age")), want) {
			t.Errorf("%s: got ages %q, want %q", name, texts(got.Column("age")), want)
		}
		if want := []string{"1", "2", "3"}; !slices.Equal(texts(got.Column("line")), want) {
			t.Errorf("%s: got lines %q, want %q", name, texts(got.Column("line")), want)
		}
		_, err = got.Column("note").Number(1)
		if want := name + ":4: column \"note\""; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want it to contain %q", name, err, want)
		}
	}
}

func TestRead_ColumnNA(t *testing.T) {
	got, err := Read([]File{file(t, "a.data", []byte("0,0\n0.0,1\n5,2\n"))}, Options{
		Format: "csv", Columns: []string{"chol", "ca"}, ColumnNA: map[string][]string{"chol": {"0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "", "5"}; !slices.Equal(texts(got.Column("chol")), want) {
		t.Errorf("got %q, want %q", texts(got.Column("chol")), want)
	}
	if want := []string{"0", "1", "2"}; !slices.Equal(texts(got.Column("ca")), want) {
		t.Errorf("got %q, want %q", texts(got.Column("ca")), want)
	}
}

func TestRead_Parts(t *testing.T) {
	one, two := file(t, "one.csv", []byte("x\n1\n2\n")), file(t, "two.csv", []byte("x\nbad\n"))
	one.Values, two.Values = map[string]string{"site": "A"}, map[string]string{"site": "B"}
	got, err := Read([]File{one, two}, Options{Format: "csv", RowNumber: "n"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"A", "A", "B"}; !slices.Equal(texts(got.Column("site")), want) {
		t.Errorf("got sites %q, want %q", texts(got.Column("site")), want)
	}
	if want := []string{"1", "2", "1"}; !slices.Equal(texts(got.Column("n")), want) {
		t.Errorf("got numbers %q, want %q", texts(got.Column("n")), want)
	}
	if _, err := got.Column("x").Number(2); err == nil || !strings.Contains(err.Error(), "two.csv:2") {
		t.Errorf("got error %v, want the place two.csv:2", err)
	}
	other := file(t, "other.csv", []byte("y\n1\n"))
	if _, err := Read([]File{one, other}, Options{Format: "csv"}); err == nil {
		t.Error("stacked files with other columns")
	}
}

func TestRead_Want(t *testing.T) {
	got, err := Read([]File{file(t, "a.csv", []byte("x,y\n1,2\n"))}, Options{Format: "csv", Want: func(name string) bool { return name == "y" }})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Names(), []string{"y"}) || got.Column("x") != nil {
		t.Errorf("got columns %v, want y alone", got.Names())
	}
}

func TestRead_Err(t *testing.T) {
	for name, c := range map[string]struct {
		data, format string
		columns      []string
	}{
		"empty":             {"", "csv", nil},
		"ragged":            {"a,b\n1\n", "csv", nil},
		"header twice":      {"a,a\n1,2\n", "csv", nil},
		"fewer columns":     {"1,2\n", "csv", []string{"a"}},
		"broken gzip":       {"\x1f\x8bgarbage", "csv", nil},
		"open quote":        {"a\n\"x\n", "csv", nil},
		"not parquet":       {"PAR1 but not really PAR1", "parquet", nil},
		"not npy":           {"nothing", "npy", []string{"a"}},
		"unknown format":    {"", "xlsx", nil},
		"row number column": {"n\n1\n", "csv", nil},
	} {
		if _, err := Read([]File{file(t, "a", []byte(c.data))}, Options{Name: "t", Format: c.format, Columns: c.columns, RowNumber: "n"}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if _, err := Read([]File{{Path: filepath.Join(t.TempDir(), "none.csv")}}, Options{Format: "csv"}); err == nil {
		t.Error("missing file: got no error")
	}
}

func TestRead_NPY(t *testing.T) {
	var data bytes.Buffer
	if err := npy.Write(&data, []float64{1, 2, math.NaN(), 4}, 2, 2); err != nil {
		t.Fatal(err)
	}
	got, err := Read([]File{file(t, "a.npy", data.Bytes())}, Options{Format: "npy", Columns: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"1", ""}; !slices.Equal(texts(got.Column("a")), want) {
		t.Errorf("got %q, want %q", texts(got.Column("a")), want)
	}
}

func TestRead_Parquet(t *testing.T) {
	type record struct {
		ID    int64     `parquet:"id"`
		Small *int32    `parquet:"small,optional"`
		Value float32   `parquet:"value"`
		Code  *string   `parquet:"code,optional,dict"`
		Alive bool      `parquet:"alive"`
		Time  time.Time `parquet:"time,timestamp(microsecond)"`
		Tags  []string  `parquet:"tags"`
	}
	three, code := int32(3), "LAB"
	at := time.Date(2020, 1, 2, 3, 4, 5, 500_000_000, time.UTC)
	var data bytes.Buffer
	w := parquet.NewGenericWriter[record](&data, parquet.MaxRowsPerRowGroup(2))
	if _, err := w.Write([]record{
		{ID: 1<<60 + 1, Small: &three, Value: 1.5, Code: &code, Alive: true, Time: at},
		{ID: 2, Value: 2, Time: at.Add(time.Second)},
		{ID: 3, Small: &three, Value: 3, Code: &code, Time: at},
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := file(t, "a.parquet", data.Bytes())
	got, err := Read([]File{f}, Options{Format: "parquet", NA: []string{"2"}, Want: func(name string) bool { return name != "tags" }})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"id":    {"1152921504606846977", "", "3"}, // beyond float64, so kept as text
		"small": {"3", "", "3"},
		"value": {"1.5", "", "3"},
		"code":  {"LAB", "", "LAB"},
		"alive": {"1", "0", "0"},
	} {
		if !slices.Equal(texts(got.Column(name)), want) {
			t.Errorf("%s: got %q, want %q", name, texts(got.Column(name)), want)
		}
	}
	if v, err := got.Column("time").Time(0); err != nil || v != 1577934245.5 {
		t.Errorf("got time %v, %v, want 1577934245.5 seconds", v, err)
	}
	if _, err := Read([]File{f}, Options{Format: "parquet"}); err == nil || !strings.Contains(err.Error(), `"tags" is nested`) {
		t.Errorf("nested column: got error %v", err)
	}
}

func TestColumn_Time(t *testing.T) {
	c := NewText("when", []string{"1970-01-02", "1970-01-01 00:00:10", "1970-01-01T01:00:00+01:00", "12.5", "", "yesterday"}, nil)
	for row, want := range []float64{86400, 10, 0, 12.5} {
		if got, err := c.Time(row); err != nil || got != want {
			t.Errorf("row %d: got %v, %v, want %v", row, got, err, want)
		}
	}
	if got, err := c.Time(4); err != nil || !math.IsNaN(got) {
		t.Errorf("missing: got %v, %v, want NaN", got, err)
	}
	if _, err := c.Time(5); err == nil {
		t.Error("yesterday: got no error")
	}
}

func TestColumn_Number(t *testing.T) {
	c := NewText("x", []string{"1e3", "", "inf"}, nil)
	if v, err := c.Number(0); err != nil || v != 1000 {
		t.Errorf("got %v, %v, want 1000", v, err)
	}
	if v, err := c.Number(1); err != nil || !math.IsNaN(v) {
		t.Errorf("missing: got %v, %v, want NaN", v, err)
	}
	if _, err := c.Number(2); err == nil {
		t.Error("infinite: got no error")
	}
}
