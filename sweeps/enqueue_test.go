package sweeps

import (
	"testing"

	"github.com/deconfound/deconfound/tracker/trackertest"
)

// A sweep that shrinks drops what waits; one that grows again revives it.
func TestEnqueue_Shrink(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	if _, err := Enqueue(ctx, store, compile(t, small)); err != nil {
		t.Fatal(err)
	}
	half := compile(t, edit(t, small, `["erm", "md"]`, `["erm"]`))
	report, err := Enqueue(ctx, store, half)
	if err != nil || report.New != 0 || report.Existing != 2 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if s := mustRun(t, store, half, new(trainer).run, quick(2)); s.Done != 4 {
		t.Errorf("got %+v", s)
	}
	report, err = Enqueue(ctx, store, compile(t, small))
	if err != nil || report.New != 2 || report.Done != 4 {
		t.Errorf("got %+v, %v", report, err)
	}
	if s := mustRun(t, store, compile(t, small), new(trainer).run, quick(2)); s.Done != 8 {
		t.Errorf("got %+v", s)
	}
}
