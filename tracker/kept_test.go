package tracker_test

import (
	"errors"
	"testing"

	"github.com/deconfound/deconfound/tracker"
)

// The state changes with everything that a comparison reads, and with nothing else.
func TestComparisonState(t *testing.T) {
	b := setup(t)
	state := func() string {
		s, err := b.store.ComparisonState(t.Context(), b.sweep.ID)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	seen := map[string]string{}
	changed := func(what string) {
		t.Helper()
		now := state()
		if before, ok := seen[now]; ok {
			t.Errorf("%s: the state is that of %s", what, before)
		}
		seen[now] = what
		if again := state(); again != now {
			t.Errorf("%s: the state changes by itself", what)
		}
	}
	changed("nothing")
	run := b.plan(false, replicate(1, 1, "erm"))[0]
	changed("a planned run")
	b.finishWith(b.claim(run), 0.7)
	changed("a run that is done")
	b.rows(`update run set planned = false where run_id = $1`, run.ID)
	changed("a run that is no longer wanted")
	if err := b.store.DescribeDataset(t.Context(), tracker.DatasetInfo{Name: run.Dataset, Hash: run.DatasetHash, Task: "binary", Patterns: map[uint64]string{9: "nine"}}); err != nil {
		t.Fatal(err)
	}
	changed("a pattern with a name")
	b.rows(`update run set priority = priority + 1 where run_id = $1`, run.ID)
	if _, ok := seen[state()]; !ok {
		t.Error("the state depends on a run's priority")
	}
	if _, err := b.store.ComparisonState(t.Context(), 999); !errors.Is(err, tracker.ErrNotFound) {
		t.Errorf("of no sweep: %v", err)
	}
}

func TestKeepComparison(t *testing.T) {
	b := setup(t)
	key := func(i int) []byte { return []byte{byte(i)} }
	if _, err := b.store.KeptComparison(t.Context(), b.sweep.ID, key(0)); !errors.Is(err, tracker.ErrNotFound) {
		t.Errorf("nothing was kept: %v", err)
	}
	for i := range 40 {
		if err := b.store.KeepComparison(t.Context(), b.sweep.ID, key(i), []byte{byte(i), 0}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.store.KeptComparison(t.Context(), b.sweep.ID, key(39))
	if err != nil || len(got) != 2 || got[0] != 39 {
		t.Errorf("got %v, %v", got, err)
	}
	if got := b.rows(`select count(*), min(get_byte(key, 0)) from kept_comparison`); got != "32 8\n" {
		t.Errorf("kept and the oldest of them: %s", got)
	}
}
