package dataset

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/deconfound/deconfound/host/dataset/table"
)

// The MIMIC-IV demo as MEDS-like events: its columns are called value and table
// where MEDS has numeric_value. The label, made up for the test, is the parity
// of the subject's position.
func TestBuild_MEDS(t *testing.T) {
	source := filepath.Join(sharedData(t, "meds_demo"), "events.parquet")
	events, err := table.Read([]table.File{{Path: source}}, table.Options{
		Name: "events", Format: "parquet", Want: func(name string) bool { return name == "subject_id" },
	})
	if err != nil {
		t.Fatal(err)
	}
	if events.Rows != 916166 {
		t.Errorf("got %d events, want 916166", events.Rows)
	}
	var main strings.Builder
	main.WriteString("id,subject_id,upto,y\n")
	seen := map[string]bool{}
	for row := range events.Rows {
		id := events.Columns[0].Text(row)
		if id == "" || seen[id] {
			continue
		}
		// Two rows a subject, the second before anything has happened.
		y := itoa(len(seen) % 2)
		main.WriteString(id + "-late," + id + ",9999-01-01," + y + "\n" + id + "-early," + id + ",1800-01-01," + y + "\n")
		seen[id] = true
	}
	if len(seen) != 100 {
		t.Errorf("got %d subjects, want 100", len(seen))
	}
	dir := t.TempDir()
	if err := os.Symlink(source, filepath.Join(dir, "events.parquet")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.csv"), []byte(main.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(head, "id = \"id\"", "id = \"id\"\npatient = \"subject_id\"", 1) + `
[[table]]
name = "events"
file = "events.parquet"
key = "subject_id"
on = "subject_id"
long = true
[[modality]]
name = "chemistry"
kind = "sequence"
table = "events"
value = "value"
codes = ["LAB//50912//*", "LAB//50971//*", "LAB//50983//*"]
bucket = "1d"
length = 16
until = "upto"
[[modality]]
name = "diagnoses"
kind = "sequence"
table = "events"
value = "value"
codes = ["LAB//51266//*", "MEDS_BIRTH"]
length = 8
until = "upto"
`
	if err := os.WriteFile(filepath.Join(dir, "dataset.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := build(t, dir, "")
	if s.Rows() != 200 || s.Patients() != 100 {
		t.Fatalf("got %d rows of %d patients, want 200 of 100", s.Rows(), s.Patients())
	}
	chemistry := 0
	lengths, values := make([]int32, 1), make([]float32, 16*4)
	all := make([]int32, s.Rows())
	for row := range all {
		all[row] = int32(row)
	}
	scaling := s.Scaling(all)
	for row, id := range s.ids {
		pattern := s.Availability()[row]
		if strings.HasSuffix(id, "-early") {
			if pattern != 0 {
				t.Errorf("row %s: got pattern %b before any event", id, pattern)
			}
			continue
		}
		if pattern>>1&1 == 0 {
			t.Errorf("row %s has no birth event", id)
		}
		if pattern&1 == 0 {
			continue
		}
		chemistry++
		if err := s.Features().Lengths(0, []int32{int32(row)}, lengths); err != nil || lengths[0] < 1 || lengths[0] > 16 {
			t.Errorf("row %s: got length %d, %v", id, lengths[0], err)
		}
		if err := s.Features().Gather(0, []int32{int32(row)}, scaling[0], values); err != nil {
			t.Fatal(err)
		}
	}
	if chemistry < 50 {
		t.Errorf("got chemistry for %d of 100 subjects, want most", chemistry)
	}
	// Potassium, the second code, is about 4 mmol/l.
	if mean := scaling[0].Mean[2]; mean < 3.5 || mean > 5 {
		t.Errorf("got mean potassium %v, want about 4", mean)
	}
}

// A dataset in the MEDS layout: event shards and labels in Parquet, under the
// names and types of the standard (MEDS 0.3). The manifest needs no mapping.
func TestLoad_MEDSLayout(t *testing.T) {
	type observation struct {
		Subject int64      `parquet:"subject_id"`
		Time    *time.Time `parquet:"time,optional,timestamp(microsecond)"`
		Code    string     `parquet:"code"`
		Value   *float32   `parquet:"numeric_value,optional"`
	}
	type prediction struct {
		Subject int64     `parquet:"subject_id"`
		Time    time.Time `parquet:"prediction_time,timestamp(microsecond)"`
		Label   bool      `parquet:"boolean_value"`
	}
	hour := func(h int) time.Time { return time.Date(2020, 1, 1, h, 0, 0, 0, time.UTC) }
	at := func(h int) *time.Time { t := hour(h); return &t }
	value := func(v float32) *float32 { return &v }
	src := mustLoad(t, `version = 1
name = "meds"

[[table]]
name = "labels"
file = "labels.parquet"

[[table]]
name = "events"
key = "subject_id"
on = "subject_id"
long = true
part = [{ file = "train.parquet" }, { file = "held_out.parquet" }]

[[column]]
name = "sample"
template = "{subject_id}@{prediction_time}"

[rows]
id = "sample"
patient = "subject_id"
time = "prediction_time"

[label]
column = "boolean_value"
task = "binary"

[[modality]]
name = "vitals"
kind = "sequence"
table = "events"
codes = ["HR", "LAB//*"]
bucket = "2h"
length = 4
until = "prediction_time"
`, map[string]string{
		"train.parquet": parquetFile(t, []observation{
			{1, nil, "GENDER//F", nil},
			{1, at(1), "HR", value(60)},
			{1, at(2), "HR", value(70)},
			{1, at(4), "LAB//K", value(4)},
			{1, at(9), "HR", value(999)}, // after the prediction
		}),
		"held_out.parquet": parquetFile(t, []observation{{2, at(5), "HR", value(80)}, {3, at(5), "DEATH", nil}}),
		"labels.parquet": parquetFile(t, []prediction{
			{1, hour(8), true}, {1, hour(1), false}, {2, hour(8), false}, {3, hour(8), true},
		}),
	})
	id := func(subject, h int) string { return itoa(subject) + "@" + itoa(int(hour(h).Unix())) }
	checkRow(t, src, 0, id(1, 8), true, 0, 65, nan, 2*3600, nan, 4)
	checkRow(t, src, 0, id(1, 1), true, 0, 60, nan)
	checkRow(t, src, 0, id(2, 8), true, 0, 80, nan)
	checkRow(t, src, 0, id(3, 8), false)
	if i := slices.Index(src.ids, id(1, 8)); src.labels[i] != 1 || len(src.patients) != 3 || src.time[i] != float64(hour(8).Unix()) {
		t.Errorf("got label %v, %d patients, time %v", src.labels[i], len(src.patients), src.time[i])
	}
}

func parquetFile[T any](t *testing.T, rows []T) string {
	t.Helper()
	var data bytes.Buffer
	w := parquet.NewGenericWriter[T](&data)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return data.String()
}
