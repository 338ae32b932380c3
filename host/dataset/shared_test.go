package dataset

import (
	"os"
	"path/filepath"
	"testing"
)

// sharedData finds the directory of a dataset that may not be part of the
// repository: shared/data/<name> beside it. The test is skipped without it.
func sharedData(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if candidate := filepath.Join(filepath.Dir(dir), "shared", "data", name); isDir(candidate) {
			return candidate
		}
		if dir == filepath.Dir(dir) {
			t.Skipf("no directory shared/data/%s beside the repository: the licence of the data does not allow a copy in it", name)
		}
		dir = filepath.Dir(dir)
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// testKey is an installation key for tests.
var testKey = []byte("0123456789abcdef0123456789abcdef")

// build loads and builds a dataset; data is the directory of its files, "" for
// the manifest's own.
func build(t *testing.T, path, data string) *Store {
	t.Helper()
	src, err := LoadFrom(path, data)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Build(src, t.TempDir(), testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// shared builds one of the manifests in testdata on shared data.
func shared(t *testing.T, name string) *Store {
	t.Helper()
	if name == "nafld" {
		return build(t, filepath.Join("bundled", "nafld"), "")
	}
	return build(t, filepath.Join("testdata", "manifests", name+".toml"), sharedData(t, name))
}
