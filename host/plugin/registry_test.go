package plugin

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

// write makes a file and its directories.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func manifestOf(kind, name string) string {
	return "[plugin]\nkind = \"" + kind + "\"\nname = \"" + name + "\"\nprotocol = 1\n[exec]\ncommand = [\"./" + name + "\"]\n"
}

func TestReadManifest(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ManifestName), `
[plugin]
kind = "backbone"
name = "concat"
protocol = 1
[exec]
command = ["python3", "-I", "main.py"]
env = ["CUDA_VISIBLE_DEVICES"]
start_timeout = "3m"
memory = "4GiB"
`)
	e, err := ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if e.String() != "backbone concat" || e.Dir != dir || e.StartTimeout != 3*time.Minute || e.Memory != 4<<30 ||
		!slices.Equal(e.Command, []string{"python3", "-I", "main.py"}) || !slices.Equal(e.Env, []string{"CUDA_VISIBLE_DEVICES"}) {
		t.Errorf("got %+v", e)
	}
}

func TestReadManifest_errors(t *testing.T) {
	good := manifestOf("backbone", "concat")
	for name, c := range map[string]struct {
		text  string
		parts []string
	}{
		"syntax":   {"[plugin]\nkind = backbone\n", []string{"line 2"}},
		"kind":     {strings.Replace(good, "backbone", "backbon", 1), []string{":2:", `"backbon"`}},
		"name":     {strings.Replace(good, `"concat"`, `"Concat!"`, 1), []string{":3:", "Concat!"}},
		"protocol": {strings.Replace(good, "protocol = 1", "protocol = 2", 1), []string{":4:", "protocol is 2"}},
		"unknown":  {good + "memry = \"4GiB\"\n", []string{":7:", "exec.memry", `"memory"`}},
		"env":      {good + "env = [\"DECONFOUND_DSN\"]\n", []string{":7:", "DECONFOUND_DSN"}},
		"pg":       {good + "env = [\"PGPASSWORD\"]\n", []string{"PGPASSWORD", "credentials"}},
		"timeout":  {good + "start_timeout = \"soon\"\n", []string{"soon", "90s"}},
		"memory":   {good + "memory = \"4GB\"\n", []string{"4GB", "4GiB"}},
		"command":  {strings.Replace(good, `["./concat"]`, "[]", 1), []string{":6:", "command"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, ManifestName), c.text)
			_, err := ReadManifest(dir)
			wants(t, err, sdk.CodePluginManifest, append(c.parts, dir)...)
		})
	}
	dir := t.TempDir()
	_, err := ReadManifest(dir)
	wants(t, err, sdk.CodePluginManifest, dir, "no plugin.toml")
	write(t, filepath.Join(dir, "model.go"), "package main\n")
	_, err = ReadManifest(filepath.Join(dir, "model.go"))
	wants(t, err, sdk.CodePluginManifest, "model.go is no plugin directory")
}

func TestDirectories(t *testing.T) {
	env := map[string]string{"DECONFOUND_PLUGIN_PATH": "/a:/b", "HOME": "/somewhere/x"}
	got := Directories("/opt/bin/deconfound", func(name string) string { return env[name] })
	want := []string{"/a", "/b", "/somewhere/x/.local/share/deconfound/plugins", "/opt/bin/plugins"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	env = map[string]string{"XDG_DATA_HOME": "/data", "HOME": "/somewhere/x"}
	got = Directories("/opt/bin/deconfound", func(name string) string { return env[name] })
	if want = []string{"/data/deconfound/plugins", "/opt/bin/plugins"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRegistry(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write(t, filepath.Join(first, "concat", ManifestName), manifestOf("backbone", "concat"))
	write(t, filepath.Join(second, "backbone", "concat", ManifestName), manifestOf("backbone", "concat"))
	write(t, filepath.Join(second, "backbone", "transformer", ManifestName), manifestOf("backbone", "transformer"))
	write(t, filepath.Join(second, "strategy", "ipw", ManifestName), manifestOf("strategy", "ipw"))
	write(t, filepath.Join(second, "backbone", "broken", ManifestName), "nonsense")
	r := Scan(first, filepath.Join(first, "does-not-exist"), second)

	var names []string
	for _, e := range r.List("") {
		names = append(names, e.String())
	}
	if want := []string{"backbone concat", "backbone transformer", "strategy ipw"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if e, err := r.Find(sdk.KindBackbone, "concat"); err != nil || e.Dir != filepath.Join(first, "concat") {
		t.Errorf("got %+v, %v; want the one found first", e, err)
	}
	if got := len(r.Problems()); got != 1 {
		t.Errorf("got %d problems, want 1", got)
	}
	_, err := r.Find(sdk.KindBackbone, "conact")
	wants(t, err, sdk.CodePluginUnknown, `did you mean "concat"?`)
	_, err = r.Find(sdk.KindBackbone, "ipw")
	wants(t, err, sdk.CodePluginUnknown, "a strategy of that name")
	_, err = r.Find(sdk.KindBackbone, "perceiver")
	wants(t, err, sdk.CodePluginUnknown, "installed are concat, transformer")
	_, err = r.Find(sdk.KindBackbone, "broken")
	wants(t, err, sdk.CodePluginManifest, "broken")
	_, err = Scan(first).Find(sdk.KindStrategy, "ipw")
	wants(t, err, sdk.CodePluginUnknown, "no strategy is installed", first)
}

func TestTreeHash(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "one")
	write(t, filepath.Join(dir, "lib", "b"), "two")
	hash := func() string {
		t.Helper()
		h, err := TreeHash(dir)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	seen := []string{hash()}
	if !strings.HasPrefix(seen[0], "sha256:") || len(seen[0]) != 7+64 {
		t.Errorf("got %s", seen[0])
	}
	now := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "a"), now, now); err != nil {
		t.Fatal(err)
	}
	if hash() != seen[0] {
		t.Error("a time changed the hash")
	}
	for name, change := range map[string]func() error{
		"content": func() error { return os.WriteFile(filepath.Join(dir, "a"), []byte("onf"), 0o644) },
		"mode":    func() error { return os.Chmod(filepath.Join(dir, "a"), 0o755) },
		"name":    func() error { return os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "c")) },
		"new":     func() error { return os.WriteFile(filepath.Join(dir, "lib", "d"), nil, 0o644) },
		"link":    func() error { return os.Symlink("b", filepath.Join(dir, "lib", "e")) },
	} {
		if err := change(); err != nil {
			t.Logf("%s: %v", name, err) // the order is random, and a may have been renamed
			continue
		}
		h := hash()
		if slices.Contains(seen, h) {
			t.Errorf("%s did not change the hash", name)
		}
		seen = append(seen, h)
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if _, err := TreeHash(dir); err == nil || !strings.Contains(err.Error(), "leads out") {
		t.Errorf("got %v, want a link that leads out to be refused", err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "concat", ManifestName), manifestOf("backbone", "concat"))
	write(t, filepath.Join(dir, "concat", "concat"), "program")
	write(t, filepath.Join(dir, "late", ManifestName), manifestOf("backbone", "late"))
	r := Scan(dir)
	concat, _ := r.Find(sdk.KindBackbone, "concat")
	late, _ := r.Find(sdk.KindBackbone, "late")
	path := filepath.Join(dir, LockName)

	none, err := ReadLock(path)
	if err != nil || none != nil {
		t.Fatalf("got %v, %v; want no lock", none, err)
	}
	if err := none.Verify(concat); err != nil {
		t.Errorf("without a lock file: %v", err)
	}

	written, err := WriteLock(path, []Entry{concat})
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*Lock{written, read} {
		if err := l.Verify(concat); err != nil {
			t.Error(err)
		}
		wants(t, l.Verify(late), sdk.CodePluginAltered, "backbone late is not in", "deconfound plugin lock")
	}
	old, _ := TreeHash(concat.Dir)
	write(t, filepath.Join(dir, "concat", "concat"), "progran")
	altered, _ := TreeHash(concat.Dir)
	wants(t, read.Verify(concat), sdk.CodePluginAltered, "backbone concat", old, altered, "deconfound plugin lock")

	write(t, path, "version = 2\n")
	_, err = ReadLock(path)
	wants(t, err, sdk.CodePluginManifest, "version 2")
	write(t, path, "version = 1\nplugn = 3\n")
	_, err = ReadLock(path)
	wants(t, err, sdk.CodePluginManifest, ":2:", "plugn")
}

func TestEntry_Stale(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave")
	if got := e.Stale(); got != "" {
		t.Errorf("without sources: got %q", got)
	}
	info, err := os.Stat(filepath.Join(e.Dir, "misbehave"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file  string
		after time.Duration
		want  string
	}{
		{"main.go", -time.Second, ""},
		{"model_test.go", time.Hour, ""},
		{"model.go", time.Second, "model.go"},
		{"layer.go", 2 * time.Second, "layer.go"},
	} {
		path, at := filepath.Join(e.Dir, c.file), info.ModTime().Add(c.after)
		write(t, path, "package main\n")
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		if got := e.Stale(); got != c.want {
			t.Errorf("with %s %v after the program: got %q, want %q", c.file, c.after, got, c.want)
		}
	}
}
