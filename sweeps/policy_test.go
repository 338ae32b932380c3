package sweeps

import (
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker/trackertest"
)

// What slices must know of their sweep is that of its newest plan, once the time is
// over for which it is believed.
func TestPolicy(t *testing.T) {
	store := trackertest.New(t)
	p := newProcess(store, nil, Options{})
	enqueue := func(text string) int64 {
		t.Helper()
		report, err := Enqueue(t.Context(), store, compile(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return report.Sweep
	}
	look := func(sweep int64) policy {
		t.Helper()
		got, err := p.policy(t.Context(), sweep)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	age := func(sweep int64) {
		known := p.policies[sweep]
		known.read = time.Now().Add(-policyLifetime)
		p.policies[sweep] = known
	}
	sweep := enqueue(single)
	first := look(sweep)
	age(sweep)
	if same := look(sweep); same.Retry.Max != first.Retry.Max || same.revision != first.revision || time.Since(same.read) > policyLifetime/2 {
		t.Errorf("the same plan: got %+v, want %+v, read just now", same, first)
	}
	enqueue(edit(t, single, "max = 1", "max = 7"))
	if believed := look(sweep); believed.Retry.Max != first.Retry.Max {
		t.Errorf("got %+v before its time is over", believed)
	}
	age(sweep)
	if next := look(sweep); next.Retry.Max != 7 || next.revision == first.revision {
		t.Errorf("another plan: got %+v", next)
	}
}
