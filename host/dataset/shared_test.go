package dataset

import (
	"os"
	"path/filepath"
	"sync"
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

// stores holds the shared datasets that have been built: a build is a second or
// more on a busy disk, and a store is read-only.
var stores = struct {
	sync.Mutex
	root   string
	byName map[string]*Store
}{byName: map[string]*Store{}}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range stores.byName {
		s.Close()
	}
	if stores.root != "" {
		os.RemoveAll(stores.root)
	}
	os.Exit(code)
}

// shared returns the store of a manifest in testdata on shared data, or of a
// bundled dataset. Callers must not close it.
func shared(t *testing.T, name string) *Store {
	t.Helper()
	path, data := filepath.Join("bundled", name), ""
	if !isDir(path) {
		path, data = filepath.Join("testdata", "manifests", name+".toml"), sharedData(t, name)
	}
	stores.Lock()
	defer stores.Unlock()
	if s, built := stores.byName[name]; built {
		return s
	}
	src, err := LoadFrom(path, data)
	if err != nil {
		t.Fatal(err)
	}
	if stores.root == "" {
		if stores.root, err = os.MkdirTemp("", "dataset"); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Build(src, stores.root, testKey)
	if err != nil {
		t.Fatal(err)
	}
	stores.byName[name] = s
	return s
}
