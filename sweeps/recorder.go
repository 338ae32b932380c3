package sweeps

import (
	"context"
	"errors"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

// Live points are sent when there are this many, or after this time.
const (
	flushPoints   = 256
	flushInterval = 2 * time.Second
	// flushBackoff is how long live points stay at home after a failed flush.
	// They are not lost: the end of the slice sends them all.
	flushBackoff = 5 * time.Second
	flushTimeout = 10 * time.Second
)

// recorder buffers points and sends them while the run trains. Points that
// could not be sent stay in the buffer and go with the slice.
type recorder struct {
	store  *tracker.Store
	lease  tracker.Lease
	ctx    context.Context // of the slice
	cancel context.CancelCauseFunc
	stop   <-chan struct{} // closed when the worker stops
	paused func() bool     // whether the sweep has paused
	end    time.Time       // of the budget
	until  int             // epoch at which the run waits for its search; 0: never
	epoch  int             // completed
	now    func() time.Time

	buffer []tracker.Point
	next   time.Time // no flush before
	shown  time.Time // when people were last told of progress
}

func (r *recorder) Points(step int, values map[tracker.Metric]float64) error {
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	r.buffer = append(r.buffer, tracker.Point{Step: step, Values: values})
	now := r.now()
	if len(r.buffer) < flushPoints && now.Before(r.next) {
		return nil
	}
	if r.next.After(now.Add(flushInterval)) {
		return nil // the last flush failed not long ago
	}
	ctx, cancel := context.WithTimeout(r.ctx, flushTimeout)
	defer cancel()
	err := r.store.AppendPoints(ctx, r.lease, r.buffer)
	switch {
	case err == nil:
		r.buffer = nil
		r.next = now.Add(flushInterval)
	case errors.Is(err, tracker.ErrFenced):
		r.cancel(tracker.ErrFenced)
		return err
	case context.Cause(r.ctx) != nil:
		return context.Cause(r.ctx)
	default:
		r.next = now.Add(flushBackoff)
	}
	return nil
}

// Progress is for people only: an error is not worth stopping for, and one
// statement in flushInterval is enough, however short the epochs are.
func (r *recorder) Progress(epoch int) {
	r.epoch = epoch
	now := r.now()
	if now.Before(r.next.Add(-flushInterval)) || now.Before(r.shown.Add(flushInterval)) {
		return // the database is away, or has just been told
	}
	r.shown = now
	ctx, cancel := context.WithTimeout(r.ctx, flushTimeout)
	defer cancel()
	if err := r.store.SetProgress(ctx, r.lease, epoch); errors.Is(err, tracker.ErrFenced) {
		r.cancel(tracker.ErrFenced)
	}
}

func (r *recorder) Pause() bool {
	if r.until > 0 && r.epoch >= r.until {
		return true
	}
	select {
	case <-r.stop:
		return true
	default:
		return r.paused() || !r.now().Before(r.end)
	}
}

// rest returns the points that have not been stored.
func (r *recorder) rest() []tracker.Point { return r.buffer }
