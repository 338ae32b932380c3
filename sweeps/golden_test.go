package sweeps

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files (the tests still fail where one changed)")

// golden compares got with a file. With -update it rewrites a file that differs
// and fails all the same, so that the change is looked at.
func golden(t *testing.T, path, got string) {
	t.Helper()
	want, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestBad runs every directory of testdata/bad: sweep.toml must be refused by
// Load or Compile with exactly the messages of want.txt.
func TestBad(t *testing.T) {
	dirs, err := filepath.Glob("testdata/bad/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("got no cases (%v)", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, "sweep.toml"))
			if err != nil {
				t.Fatal(err)
			}
			file, err := Parse("sweep.toml", text)
			if file != nil {
				_, err = Compile(file, fakeCatalog{})
			}
			if err == nil {
				t.Fatal("got no error")
			}
			golden(t, filepath.Join(dir, "want.txt"), err.Error()+"\n")
		})
	}
}
