package tracker_test

import (
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

func TestPace_Left(t *testing.T) {
	for _, c := range []struct {
		pace tracker.Pace
		open int
		want time.Duration
	}{
		{tracker.Pace{Done: 4, Running: 2, Seconds: 40, Share: 1}, 7, 30 * time.Second}, // six runs of 10 s, two at once
		{tracker.Pace{Done: 0, Running: 2}, 7, 0},
		{tracker.Pace{Done: 4, Running: 0, Seconds: 40}, 7, 0},
	} {
		if got := c.pace.Left(c.open); got != c.want {
			t.Errorf("%+v, %d open: got %v, want %v", c.pace, c.open, got, c.want)
		}
	}
}

// Pace and leaderboard are of the sweep's planned runs.
func TestPace(t *testing.T) {
	b := setup(t)
	for seed := range 2 {
		l := b.claim(b.plan(false, replicate(seed+1, seed, "erm"))[0])
		if err := b.finish(l, tracker.Outcome{Metrics: map[tracker.Metric]float64{{Name: "auroc", Split: "test"}: 0.7 + float64(seed)/10}}); err != nil {
			t.Fatal(err)
		}
	}
	sweep, err := b.store.Sweep(t.Context(), "", "s")
	if err != nil {
		t.Fatal(err)
	}
	pace, err := b.store.Pace(t.Context(), sweep.ID)
	if err != nil || pace.Done != 2 || pace.Running != 0 {
		t.Errorf("got %+v, %v", pace, err)
	}
	ranks, err := b.store.Leaderboard(t.Context(), sweep, "auroc", "test")
	if err != nil || len(ranks) != 1 || ranks[0].N != 2 || ranks[0].Mean != 0.75 || !(ranks[0].Low < 0.7 && ranks[0].High > 0.8) || ranks[0].Rank != 1 {
		t.Errorf("got %+v, %v", ranks, err)
	}
	if names, err := b.store.NewestRuns(t.Context(), "", 1); err != nil || len(names) != 1 || names[0].State != tracker.Done || names[0].Variant != "erm" {
		t.Errorf("got %+v, %v", names, err)
	}
}
