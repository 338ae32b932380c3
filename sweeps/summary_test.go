package sweeps

import (
	"math"
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

func TestDetectableDifference(t *testing.T) {
	// Tables of Student's t: t(0.975; 4) = 2.776445, t(0.8; 4) = 0.940965.
	want := (2.776445 + 0.940965) * 0.02 / math.Sqrt(5)
	if got := DetectableDifference(5, 0.02, 0.05, 0.8); math.Abs(got-want) > 1e-8 {
		t.Errorf("got %v, want %v", got, want)
	}
	if !math.IsNaN(DetectableDifference(1, 0.02, 0.05, 0.8)) {
		t.Error("one seed must detect nothing")
	}
}
