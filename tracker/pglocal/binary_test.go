package pglocal

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFindBinaries(t *testing.T) {
	t.Setenv("PGBIN", t.TempDir())
	if _, err := findBinaries(0, ""); !errors.Is(err, errNoBinaries) {
		t.Errorf("empty PGBIN: got %v, want %v", err, errNoBinaries)
	}
	if _, _, err := Installed(); err == nil {
		t.Error("empty PGBIN: got no error")
	}
	// What was fetched before is taken from the cache without a network.
	t.Setenv("PGBIN", "")
	installed, err := findBinaries(0, "")
	if err != nil {
		t.Skip(err)
	}
	if _, err := findBinaries(installed.major+50, ""); err == nil || !strings.Contains(err.Error(), "made by PostgreSQL") {
		t.Errorf("other major version: got %v", err)
	}
	t.Setenv("PGBIN", t.TempDir())
	cache := t.TempDir()
	home := filepath.Join(cache, "postgresql-"+string(embeddedVersion))
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(installed.dir, filepath.Join(home, "bin")); err != nil {
		t.Fatal(err)
	}
	if got, err := findBinaries(0, cache); err != nil || got.dir != filepath.Join(home, "bin") || got.major != installed.major {
		t.Errorf("cache: got %+v, %v", got, err)
	}
	if _, err := findBinaries(installed.major+50, cache); err == nil {
		t.Error("other major version in the cache: got no error")
	}
}

// repository serves an archive like those of the real one, with programs that
// know their version and nothing else.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres", "pg_ctl"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho 'postgres (PostgreSQL) 17.5'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(dir, "postgres.txz")
	if out, err := exec.Command("tar", "-cJf", archive, "-C", dir, "bin").CombinedOutput(); err != nil {
		t.Skipf("tar with xz: %v\n%s", err, out)
	}
	content, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	f, err := z.Create("postgres-linux-x86_64.txz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, ".jar"):
			if _, err := w.Write(jar.Bytes()); err != nil {
				t.Error(err)
			}
		case strings.HasSuffix(r.URL.Path, ".sha256"):
			fmt.Fprintf(w, "%x", sha256.Sum256(jar.Bytes()))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestFetchBinaries(t *testing.T) {
	cache := t.TempDir()
	bin, err := fetchBinaries(cache, repository(t))
	if err != nil {
		t.Fatal(err)
	}
	if b, ok := inspect(bin); !ok || b.major != 17 {
		t.Errorf("got %+v in %s", b, bin)
	}
	// The second time nothing is fetched.
	if again, err := fetchBinaries(cache, "http://127.0.0.1:1"); err != nil || again != bin {
		t.Errorf("second time: got %s, %v", again, err)
	}
	left, err := os.ReadDir(cache)
	if err != nil || len(left) != 1 {
		t.Errorf("got %v left in the cache, %v; want the binaries only", left, err)
	}
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	if _, err := fetchBinaries(t.TempDir(), empty.URL); err == nil || !strings.Contains(err.Error(), "no version found") {
		t.Errorf("nothing to fetch: got %v", err)
	}
}

func TestServer_Prepare(t *testing.T) {
	dir := t.TempDir()
	l := layout{home: dir, data: filepath.Join(dir, "data"), socket: filepath.Join(dir, "s")}
	s := &server{layout: l, logf: func(string, ...any) {}}
	bin := t.TempDir()
	t.Setenv("PGBIN", bin)
	for name, script := range map[string]string{"postgres": "echo 'postgres (PostgreSQL) 15.1'", "initdb": "echo no space; exit 1"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.prepare(); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("initdb fails: got %v", err)
	}
	if err := os.Mkdir(l.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.prepare(); err == nil || !strings.Contains(err.Error(), "is not a data directory") {
		t.Errorf("something else in its place: got %v", err)
	}
	for version, want := range map[string]string{"15\n": "", "16\n": "made by PostgreSQL 16"} {
		if err := os.WriteFile(filepath.Join(l.data, "PG_VERSION"), []byte(version), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.prepare(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("version %q: got %v, want %q", version, err, want)
		}
	}
}

// TestServer_Stop stops a program that ignores the gentle signals.
func TestServer_Stop(t *testing.T) {
	s := &server{logf: func(string, ...any) {}}
	cmd := exec.Command("sh", "-c", `trap '' INT QUIT; echo ready; while :; do sleep 0.01; done`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.stop(cmd, ended, time.Millisecond, time.Millisecond)
	if cmd.ProcessState.Success() {
		t.Error("it ended by itself")
	}
}
