package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/tracker/web"
)

// What is kept is forgotten when a run ends.
func TestPages_KeepNothingOld(t *testing.T) {
	s := open(t, web.Config{})
	runs := s.plan("first", "concat")
	s.finish(runs[0], 0.5)
	next := s.follow(s.serve())
	path := fmt.Sprintf("/sweep/%d", s.sweep.ID)
	for i, run := range runs[1:3] {
		s.get(path)
		s.get(path)
		s.finish(run, 0.6)
		want := fmt.Sprintf("%d of 6 runs ended", i+2)
		mean := []string{"0.550", "0.567"}[i]
		for next() {
			if page := text(s.get(path)); strings.Contains(page, want) {
				contains(t, "the leaderboard", page, mean)
				contains(t, "the budgets", page, fmt.Sprintf("erm – %d of 3", i+2))
				break
			}
		}
	}
}
