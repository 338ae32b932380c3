package dataset

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What plugins map is the same to the last bit when all patients have other names
// and every label is another: there is nothing in it to find them by. The order of
// the rows is that of a hash of their identifiers, which stay.
func TestBuild_FeaturesKnowNeitherLabelsNorPatients(t *testing.T) {
	table := cohortTable
	t.Cleanup(func() { cohortTable = table })
	build := func() map[string]string {
		s, _ := buildCohort(t)
		files := map[string]string{}
		err := filepath.WalkDir(s.FeatureDir(), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			files[d.Name()] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	want := build()
	if len(want) < 4 {
		t.Fatalf("%d files, want the index and one for each modality", len(want))
	}
	lines := strings.Split(strings.TrimSpace(table), "\n")
	for i, line := range lines[1:] {
		cells := strings.Split(line, ",")
		cells[1], cells[2] = map[string]string{"0": "1", "1": "0"}[cells[1]], "x"+cells[2]
		lines[i+1] = strings.Join(cells, ",")
	}
	cohortTable = strings.Join(lines, "\n") + "\n"
	if cohortTable == table {
		t.Fatal("the table was not changed")
	}
	if d := cmp.Diff(want, build()); d != "" {
		t.Errorf("the features changed with the labels or the patients' names: %.300s", d)
	}
}
