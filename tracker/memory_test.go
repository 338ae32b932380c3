package tracker_test

import (
	"testing"

	"github.com/deconfound/deconfound/tracker"
)

// The memory of a run is that of its costliest slice; one that was not measured
// changes nothing.
func TestMemory(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	for _, m := range []tracker.Memory{{Host: 30, Plugins: 20}, {Host: 49}, {}} {
		if _, err := b.slice(l, tracker.Slice{Checkpoint: []byte("x"), Memory: m}); err != nil {
			t.Fatal(err)
		}
		l = b.claim(b.run(l.Run.ID))
		if got, want := l.Run.Memory, (tracker.Memory{Host: 30, Plugins: 20}); got != want {
			t.Errorf("after a slice with %+v: got %+v, want %+v", m, got, want)
		}
	}
	last := tracker.Memory{Host: 1, Plugins: 50}
	if err := b.finish(l, tracker.Outcome{Memory: last}); err != nil {
		t.Fatal(err)
	}
	if got := b.run(l.Run.ID).Memory; got != last {
		t.Errorf("got %+v, want %+v", got, last)
	}
	if got := b.rows(`select concat_ws(' ', memory_peak, memory_host, memory_plugins) from runs`); got != "51 1 50\n" {
		t.Errorf("the view says %q", got)
	}
}
