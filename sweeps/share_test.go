package sweeps

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// order notes of which sweep each slice is; sweeps are told by their epochs.
type order struct {
	mu     sync.Mutex
	epochs []int
}

func (o *order) note(_ context.Context, spec RunSpec, _ int, _ Recorder) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.epochs = append(o.epochs, spec.Epochs)
	return nil
}

func (o *order) count(epochs, first int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, e := range o.epochs[:min(first, len(o.epochs))] {
		if e == epochs {
			n++
		}
	}
	return n
}

// named is single under another name, with other epochs and seeds.
func named(t *testing.T, name, epochs, seeds string) *Plan {
	t.Helper()
	text := edit(t, single, `name = "single"`, `name = "`+name+`"`)
	text = edit(t, text, "epochs = 3", "epochs = "+epochs)
	return compile(t, edit(t, text, "seeds = [0]", "seeds = ["+seeds+"]"))
}

const thirty = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29"

// work has a worker train until all sweeps have finished.
func work(t *testing.T, store *tracker.Store, run RunFunc, opts Options, names ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(deadline(t))
	done := make(chan error, 1)
	go func() { done <- Work(ctx, store, run, opts) }()
	err := until(t, func() bool {
		for _, name := range names {
			if s, err := StatusOf(ctx, store, name); err != nil || !s.Finished {
				return false
			}
		}
		return true
	})
	stop()
	if werr := <-done; err != nil || werr != nil {
		t.Fatal(err, werr)
	}
}

// A sweep of twice the priority gets twice the slices while both wait, whichever was
// there first.
func TestWork_SharesByPriority(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	for _, p := range []*Plan{named(t, "first", "3", thirty), named(t, "second", "4", thirty)} {
		if _, err := Enqueue(t.Context(), store, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := SetPriority(t.Context(), store, "second", 20); err != nil {
		t.Fatal(err)
	}
	o := new(order)
	work(t, store, (&trainer{before: o.note}).run, quick(1), "first", "second")
	// 30 slices: 10 and 20, give or take the one that a seat is kept for.
	if n := o.count(4, 30); n < 18 || n > 22 {
		t.Errorf("%d of the first 30 slices are of the sweep with priority 20, want 20: %v", n, o.epochs)
	}
	if err := SetPriority(t.Context(), store, "second", 101); err == nil || !strings.Contains(err.Error(), "between 1 and 100") {
		t.Errorf("got %v", err)
	}
}

// A long run does not keep its worker from a sweep that comes later.
func TestWork_LongRunYields(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	if _, err := Enqueue(t.Context(), store, named(t, "long", "40", "0")); err != nil {
		t.Fatal(err)
	}
	o := new(order)
	var once sync.Once
	tr := &trainer{perSlice: 1, before: func(ctx context.Context, spec RunSpec, epoch int, rec Recorder) (err error) {
		if epoch == 3 {
			once.Do(func() { _, err = Enqueue(ctx, store, named(t, "short", "4", "0")) })
		}
		if err != nil {
			return err
		}
		return o.note(ctx, spec, epoch, rec)
	}}
	work(t, store, tr.run, quick(1), "long", "short")
	if n := o.count(4, 20); n != 4 {
		t.Errorf("%d of the 4 slices of the short run are among the first 20: %v", n, o.epochs)
	}
}

// A pause ends a slice after its epoch, long before its time is up.
func TestPause_WithinSlice(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	tr := &trainer{before: func(_ context.Context, _ RunSpec, epoch int, rec Recorder) error {
		if epoch > 0 {
			return nil
		}
		if err := Pause(ctx, store, "single"); err != nil {
			return err
		}
		return until(t, rec.Pause)
	}}
	begin := compile(t, edit(t, single, "epochs = 3", `epochs = 3`+"\n"+`slice = "1h"`))
	status, err := Run(ctx, store, begin, tr.run, Options{Workers: 1, Grace: time.Hour})
	if err != nil || !status.Paused || status.Held != 1 || status.Open() {
		t.Fatalf("got %+v, %v", status, err)
	}
	if run := runs(t, store, status.ID)[0]; run.Epoch != 1 || run.State != tracker.Paused {
		t.Errorf("got %s at epoch %d, want it paused at 1", run.State, run.Epoch)
	}
}
