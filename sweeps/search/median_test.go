package search_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/sweeps/search"
)

// A trial is stopped when its best value is worse than the median of the running
// averages of those before it, and no earlier than after startup of them.
func TestMedian(t *testing.T) {
	m := start(t, config("random", 6, median)) // decisions at 2, 4, 6 and 8 of 9 epochs
	curve := func(trial int, values ...float64) search.Event {
		return search.NewReport(trial, len(values), values, "minimize")
	}
	goesOn := func(trial, until int) []search.Action {
		return []search.Action{{Kind: search.Continue, Trial: trial, Until: until}}
	}
	for _, step := range []struct {
		event search.Event
		want  []search.Action
	}{
		{curve(1, 9, 9), nil}, // waits for trial 0
		{curve(0, 4, 2), append(goesOn(0, 4), goesOn(1, 4)...)},
		{curve(2, 5, 5), goesOn(2, 4)},
		// The averages are 3, 9 and 5.
		{curve(3, 7, 6), []search.Action{{Kind: search.Prune, Trial: 3}}},
		{curve(4, 5, 8), goesOn(4, 4)}, // the best counts, and a tie goes on
		// The averages are 3, 9, 5, 6.5 and 6.5: the median is 6.5.
		{curve(5, 6.6, 7), []search.Action{{Kind: search.Prune, Trial: 5}}},
	} {
		if diff := cmp.Diff(step.want, feed(t, m, step.event)); diff != "" {
			t.Errorf("trial %d (-want +got):\n%s", step.event.Trial, diff)
		}
	}
}
