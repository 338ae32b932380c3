//go:build chaos

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// skewed are the arguments of a build whose programs read the wrong time: as many
// seconds off as the variable LANG says after skewPrefix, which plugins get too. No
// tool shifts the clock of a Go program from outside, so time.Now itself is
// replaced: River, TLS and we ourselves all see what a machine with a wrong clock
// sees.
func skewed(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	const reads = "\tsec, nsec, mono := runtimeNow()\n"
	at := strings.Index(string(text), "func Now() Time {")
	if at < 0 || !strings.Contains(string(text[at:]), reads) {
		t.Fatalf("%s does not read the clock as it used to; adapt this function", original)
	}
	const imports = "import (\n"
	patched := strings.Replace(string(text[:at]), imports, imports+"\t\"syscall\"\n", 1) + strings.Replace(string(text[at:]), reads, reads+"\tsec += skew\n", 1) + wrongClock
	dir := t.TempDir()
	file := filepath.Join(dir, "time.go")
	if err := os.WriteFile(file, []byte(patched), 0o644); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: file}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"-overlay", filepath.Join(dir, "overlay.json")}
}

const (
	skewPrefix = "wrong by "
	wrongClock = `
var skew = readSkew()

func readSkew() (seconds int64) {
	text, _ := syscall.Getenv("LANG")
	const prefix = "` + skewPrefix + `"
	if len(text) <= len(prefix) || text[:len(prefix)] != prefix {
		return 0
	}
	negative := false
	for _, c := range text[len(prefix):] {
		if c == '-' {
			negative = true
			continue
		}
		seconds = 10*seconds + int64(c-'0')
	}
	if negative {
		return -seconds
	}
	return seconds
}
`
)

// wrongBy is the environment of a machine whose clock is wrong.
func wrongBy(seconds int) string { return fmt.Sprintf("LANG=%s%d", skewPrefix, seconds) }
