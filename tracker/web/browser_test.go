//go:build browser

package web_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/deconfound/deconfound/tracker/web"
)

// TestBrowser_ManyRuns has Chromium measure the pages of a sweep of 10,000 runs, with
// the script in the directory BROWSER; make test-browser-many makes it.
func TestBrowser_ManyRuns(t *testing.T) {
	s := open(t, web.Config{})
	s.manyRuns()
	at := s.serve()
	sweep := fmt.Sprintf("/sweep/%d", s.sweep.ID)
	cmd := exec.CommandContext(t.Context(), "node", "many.mjs", at, "/", sweep+"?metric=metric1%2Ftest", sweep+"?metric=metric2%2Ftest&page=200", sweep+"?state=failed", "/run/5000")
	cmd.Dir, cmd.Stdout, cmd.Stderr = os.Getenv("BROWSER"), os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}
