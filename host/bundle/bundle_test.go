package bundle_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/deconfound/deconfound/host/bundle"
)

// tree writes files, and links for texts that begin with "-> ".
func tree(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		if strings.HasPrefix(name, "private") {
			mode = 0o600
		}
		var err error
		if target, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// list describes what lies in a directory.
func list(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := ""
		if d.Type().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(content)
		}
		if d.Type()&fs.ModeSymlink != 0 {
			text, err = os.Readlink(path)
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&out, "%s %v %q\n", name, info.Mode(), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var sample = map[string]string{
	"plugin.toml": "[plugin]", "bin/run.sh": "#!/bin/sh\n", "lib/deep/er/x": strings.Repeat("x", 1<<20), "empty": "", "private/ids": "p1",
	"link": "-> bin/run.sh", "lib/up": "-> ../empty",
}

func pack(t *testing.T, dir string) *bundle.Packed {
	t.Helper()
	p, err := bundle.Pack(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestPack_Unpack(t *testing.T) {
	dir := tree(t, t.TempDir(), sample)
	p, again := pack(t, dir), pack(t, tree(t, t.TempDir(), sample))
	if p.Sum != again.Sum || p.Size != again.Size {
		t.Errorf("equal trees: got archives %x of %d bytes and %x of %d", p.Sum, p.Size, again.Sum, again.Size)
	}
	r, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := bundle.Unpack(r, out, 2<<20); err != nil {
		t.Fatal(err)
	}
	if got, want := list(t, out), list(t, dir); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r, err = p.Open(); err != nil {
		t.Fatal(err)
	}
	if err := bundle.Unpack(r, t.TempDir(), 1<<20); err == nil || !strings.Contains(err.Error(), "room") {
		t.Errorf("without room: got %v", err)
	}
}

func TestPack_Refuses(t *testing.T) {
	for name, target := range map[string]string{"out": "../elsewhere", "absolute": "/etc/passwd"} {
		if _, err := bundle.Pack(t.Context(), tree(t, t.TempDir(), map[string]string{name: "-> " + target})); err == nil {
			t.Errorf("link to %s: got no error", target)
		}
	}
}

// archive packs headers as a hostile program might.
func archive(t *testing.T, headers ...tar.Header) io.Reader {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, h := range headers {
		text := "evil"
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(text))
		}
		h.Mode = 0o7777
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestUnpack_Hostile(t *testing.T) {
	for name, headers := range map[string][]tar.Header{
		"parent":       {{Name: "../evil", Typeflag: tar.TypeReg}},
		"absolute":     {{Name: "/tmp/evil", Typeflag: tar.TypeReg}},
		"link out":     {{Name: "a", Linkname: "../..", Typeflag: tar.TypeSymlink}},
		"link away":    {{Name: "a", Linkname: "/etc", Typeflag: tar.TypeSymlink}},
		"through link": {{Name: "a", Linkname: "..", Typeflag: tar.TypeSymlink}, {Name: "a/evil", Typeflag: tar.TypeReg}},
		"twice":        {{Name: "a", Typeflag: tar.TypeReg}, {Name: "a", Typeflag: tar.TypeReg}},
		"device":       {{Name: "a", Typeflag: tar.TypeChar}},
		"hard link":    {{Name: "a", Typeflag: tar.TypeReg}, {Name: "b", Linkname: "a", Typeflag: tar.TypeLink}},
	} {
		outer := t.TempDir()
		dir := filepath.Join(outer, "into")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := bundle.Unpack(archive(t, headers...), dir, 1<<20); err == nil {
			t.Errorf("%s: got no error", name)
		}
		if entries, err := os.ReadDir(outer); err != nil || len(entries) != 1 {
			t.Errorf("%s: something lies beside the directory: %v %v", name, entries, err)
		}
	}
	dir := t.TempDir()
	if err := bundle.Unpack(archive(t, tar.Header{Name: "a", Typeflag: tar.TypeReg}), dir, 1<<20); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode of a file that was set-user-ID: got %v, %v", info.Mode(), err)
	}
}

func TestPlatform(t *testing.T) {
	for text, want := range map[string]string{"print('hello')": "", "": "", "\x7fELF\x02": bundle.Here, "\xcf\xfa\xed\xfe\x07": bundle.Here} {
		if got, err := bundle.Platform(tree(t, t.TempDir(), map[string]string{"a/b": text, "c": "x"})); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}

// source gives an archive and counts how often.
type source struct {
	*bundle.Packed
	opened int
	broken error
}

func (s *source) open() (io.ReadCloser, error) {
	s.opened++
	r, err := s.Open()
	if s.broken != nil {
		r = io.MultiReader(r, failing{s.broken})
	}
	return io.NopCloser(r), err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func fine(string) error { return nil }

// entries counts the directories in a cache, finished or not.
func entries(t *testing.T, dir string) (n int) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.IsDir() {
			n++
		}
	}
	return n
}

func TestCache(t *testing.T) {
	dir := t.TempDir()
	s := &source{Packed: pack(t, tree(t, t.TempDir(), sample))}
	c := bundle.OpenCache(dir, 2<<20)
	defer c.Close()
	for what, get := range map[string]func() error{
		"refused": func() error {
			_, err := c.Get(s.Sum, s.open, func(string) error { return errors.New("not what was wanted") })
			return err
		},
		"broken": func() error {
			s.broken = errors.New("the sum is another one")
			defer func() { s.broken = nil }()
			_, err := c.Get(s.Sum, s.open, fine)
			return err
		},
		"not there": func() error {
			_, err := c.Get(s.Sum, func() (io.ReadCloser, error) { return nil, fs.ErrNotExist }, fine)
			return err
		},
	} {
		if err := get(); err == nil || entries(t, dir) != 0 {
			t.Errorf("%s: got %v, and %d directories", what, err, entries(t, dir))
		}
	}
	s.opened = 0
	for range 2 {
		got, err := c.Get(s.Sum, s.open, fine)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(got, "lib/up")); err != nil || len(text) != 0 {
			t.Errorf("got %q, %v", text, err)
		}
	}
	other := bundle.OpenCache(dir, 2<<20)
	defer other.Close()
	if _, err := other.Get(s.Sum, s.open, fine); err != nil || s.opened != 1 {
		t.Errorf("fetched %d times, %v; want once", s.opened, err)
	}
}

// TestCache_Limit removes what nobody uses, the longest unused first.
func TestCache_Limit(t *testing.T) {
	dir := t.TempDir()
	var archives []*source
	for i := range 4 {
		archives = append(archives, &source{Packed: pack(t, tree(t, t.TempDir(), map[string]string{"x": strings.Repeat(fmt.Sprint(i), 1<<20)}))})
	}
	get := func(c *bundle.Cache, i int) string {
		t.Helper()
		path, err := c.Get(archives[i].Sum, archives[i].open, fine)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	const limit = 5 << 19 // two and a half
	user := bundle.OpenCache(dir, limit)
	first := get(user, 0)
	passing := bundle.OpenCache(dir, limit)
	second := get(passing, 1)
	if err := passing.Close(); err != nil {
		t.Fatal(err)
	}
	third := get(user, 2)
	for path, want := range map[string]bool{first: true, second: false, third: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", path, err == nil, want)
		}
	}
	fourth := get(user, 3) // all are in use: over the limit rather than broken
	if err := user.Close(); err != nil {
		t.Fatal(err)
	}
	next := bundle.OpenCache(dir, limit)
	defer next.Close()
	get(next, 1)
	for path, want := range map[string]bool{first: false, second: true, third: false, fourth: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("later %s is there: %v, want %v", path, err == nil, want)
		}
	}
}

// TestCache_Together fetches the same from many sides at once.
func TestCache_Together(t *testing.T) {
	dir, from := t.TempDir(), tree(t, t.TempDir(), sample)
	var all sync.WaitGroup
	for range 6 {
		s := &source{Packed: pack(t, from)}
		all.Go(func() {
			c := bundle.OpenCache(dir, 1<<21)
			defer c.Close()
			if _, err := c.Get(s.Sum, s.open, fine); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := entries(t, dir); got != 1 {
		t.Errorf("%d directories, want 1", got)
	}
}
