package sweeps

import (
	"testing"
	"time"
)

func TestSummarize(t *testing.T) {
	p := compile(t, demo(t))
	s := p.Summarize(map[Cell]time.Duration{
		{"nafld", "concat", "erm"}: 10 * time.Second, {"nafld", "concat", "md"}: 20 * time.Second,
	}, 2)
	if s.Search != 32 || s.Replicates != 24 || s.Runs != 56 || !s.Equal || s.Measured != 2 || len(s.Cells) != 8 {
		t.Errorf("got %+v", s)
	}
	// 7 runs in each cell: 10 s, 20 s, and six cells of 15 s.
	if want := (7*10 + 7*20 + 6*7*15) * time.Second / 2; s.Estimate != want {
		t.Errorf("got %s, want %s", s.Estimate, want)
	}
	if got := p.Summarize(nil, 0).Estimate; got != 0 {
		t.Errorf("got an estimate of %s from nothing", got)
	}
}
