package plugin

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSweep(t *testing.T) {
	base := t.TempDir()
	stale := filepath.Join(base, socketDirPrefix+"1")
	foreign := filepath.Join(base, "other-1")
	for _, dir := range []string{stale, foreign} {
		write(t, filepath.Join(dir, ownerFile), "")
		write(t, filepath.Join(dir, "plugin-dir", "plugin123"), "")
	}
	if len(base) > longestSocketDir {
		t.Skipf("%s is too long for sockets", base)
	}
	t.Setenv("TMPDIR", base)
	live, owner, err := socketDir()
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()

	there := func(dir string) bool { _, err := os.Stat(dir); return err == nil }
	sweep(base, time.Now().Add(-time.Hour))
	if !there(stale) {
		t.Error("a directory was removed that may be too young to be locked")
	}
	sweep(base, time.Now().Add(time.Hour))
	if there(stale) {
		t.Error("the directory of a dead host was left")
	}
	if !there(live) || !there(foreign) {
		t.Error("a directory in use, or of somebody else, was removed")
	}
}
