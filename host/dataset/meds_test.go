package dataset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
