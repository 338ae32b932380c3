package serve

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv("TEST_SERVE") != "" {
		Backbone(nil)
	}
	os.Exit(m.Run())
}

// Whoever starts a plugin by hand learns what it is.
func TestBackbone_byHand(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_SERVE=1")
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("got status %d (%v), want 1", code, err)
	}
	if out.Len() > 0 || !strings.Contains(log.String(), "deconfound plugin") {
		t.Errorf("printed %q and %q", out.String(), log.String())
	}
}
