package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// exportsParquet writes every view of the sweep quick and counts what is in the
// files.
func (h *home) exportsParquet(t testing.TB) {
	t.Helper()
	dir := filepath.Join(h.dir, "parquet")
	files := decode[[]struct {
		Path string
		Rows int64
	}](t, h.must("export", "quick", "--format", "parquet", "--dir", dir, "--json"))
	views := decode[[]struct {
		Name    string
		Columns []struct{ Name string }
	}](t, h.must("sql", "--views", "--json"))
	if len(files) != len(views) || len(views) < 16 {
		t.Fatalf("%d files of %d views", len(files), len(views))
	}
	for i, v := range views {
		if filepath.Base(files[i].Path) != v.Name+".parquet" {
			t.Errorf("file %d is %s, want the view %s", i, files[i].Path, v.Name)
		}
		rows, err := parquet.ReadFile[any](files[i].Path)
		if err != nil {
			t.Fatal(err)
		}
		// The one sweep there is: all rows of the database.
		stored := h.sqlRows("select count(*) from " + v.Name)[0][0].(float64)
		if int64(len(rows)) != files[i].Rows || float64(len(rows)) != stored {
			t.Errorf("%s: %d rows in the file, %d reported, %v stored", v.Name, len(rows), files[i].Rows, stored)
		}
		if len(rows) == 0 {
			continue
		}
		names := make([]string, len(v.Columns))
		for k, c := range v.Columns {
			names[k] = c.Name
			if _, ok := rows[0].(map[string]any)[c.Name]; !ok {
				t.Errorf("%s has no column %s", v.Name, c.Name)
			}
		}
		if got := len(rows[0].(map[string]any)); got != len(names) {
			t.Errorf("%s has %d columns, want %s", v.Name, got, strings.Join(names, ", "))
		}
	}
}
