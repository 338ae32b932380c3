package bundled

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestExtract(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	paths, err := Extract(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(Names(), []string{"nafld"}) || paths["nafld"] != filepath.Join(dir, "nafld") {
		t.Errorf("got %v, %v", Names(), paths)
	}
	for _, name := range []string{"dataset.toml", "nafld.csv.gz", "LICENCE"} {
		want, err := FS.ReadFile("nafld/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(paths["nafld"], name))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: differs from the bundled file (%v)", name, err)
		}
	}
	if _, err := Extract(dir); err != nil {
		t.Errorf("a second time: %v", err)
	}
	edited := filepath.Join(paths["nafld"], "dataset.toml")
	if err := os.WriteFile(edited, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Extract(dir); err == nil {
		t.Error("overwrote an edited file")
	}
}
