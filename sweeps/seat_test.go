package sweeps

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

func TestSeats(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	full := false
	s := newSeats(3, demand{}, func(training int) bool { return !full || training == 0 })
	take := func(ctx context.Context) func() {
		t.Helper()
		give, ok := s.take(ctx, stop, demand{})
		if !ok {
			t.Fatal("no seat")
		}
		return give
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	none := func(what string) {
		t.Helper()
		if _, ok := s.take(ended, stop, demand{}); ok {
			t.Errorf("a seat %s", what)
		}
	}

	a, b := take(t.Context()), take(t.Context())
	full = true
	none("without room")
	a()
	a() // does nothing the second time
	b()
	c := take(ended) // alone there is always room
	none("without room")
	full = false
	d, e := take(t.Context()), take(t.Context())
	none("beyond the limit")
	got := make(chan bool)
	go func() {
		give, ok := s.take(context.Background(), stop, demand{})
		if ok {
			give()
		}
		got <- ok
	}()
	d()
	if !<-got {
		t.Error("the seat given back went to nobody")
	}
	d = take(t.Context())
	close(stop)
	if _, ok := s.take(t.Context(), stop, demand{}); ok {
		t.Error("a seat in a process that stops")
	}
	c()
	d()
	e()
}

// However many runs wait, no more train at once than there are seats and room.
func TestRun_Seats(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		workers int
		room    func(int) bool
		most    int32
	}{{2, nil, 2}, {3, func(training int) bool { return training < 2 }, 2}} {
		var training, most atomic.Int32
		var together sync.WaitGroup // of the first two slices
		together.Add(2)
		var begun atomic.Int32
		tr := &trainer{perSlice: 2, before: func(context.Context, RunSpec, int, Recorder) error {
			now := training.Add(1)
			defer training.Add(-1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			if begun.Add(1) <= 2 {
				together.Done()
				together.Wait()
			}
			return nil
		}}
		opts := quick(test.workers)
		opts.Room = test.room
		mustRun(t, trackertest.New(t), compile(t, small), tr.run, opts)
		if got := most.Load(); got != test.most {
			t.Errorf("%d workers: %d slices at once, want %d", test.workers, got, test.most)
		}
	}
}

// The slices of a run follow each other where it is warm; only its first one
// comes as a job.
func TestRun_StaysWarm(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	tr := &trainer{perSlice: 1}
	status := mustRun(t, store, compile(t, single), tr.run, quick(1))
	if tr.count() != 3 {
		t.Errorf("%d slices, want 3", tr.count())
	}
	var jobs int
	err := store.Pool().QueryRow(t.Context(), `select count(*) from `+tracker.Schema+`.river_job where kind = 'slice' and (args->>'run')::bigint in (select run_id from `+tracker.Schema+`.run where sweep_id = $1)`, status.ID).Scan(&jobs)
	if err != nil || jobs != 1 {
		t.Errorf("%d jobs, %v, want 1", jobs, err)
	}
}
