package sweeps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/deconfound/deconfound/tracker"
)

// continued is the priority of a run's next slice: before runs that have not
// begun, so that runs end one after the other.
const continued = 1

// sliceWorker trains one slice for each job.
type sliceWorker struct {
	river.WorkerDefaults[sliceArgs]
	process *process
}

// stayLimit is how long a run stays with the job that took it; River bounds a job
// by SliceTimeout.
const stayLimit = time.Hour

// Work answers an error only when the job itself is to be tried again: what
// becomes of the run is decided in the tracker. A run that pauses for its next
// slice stays in the seat that has its plugin, mapping and dataset warm: it would
// be the first in the queue anyhow.
func (w *sliceWorker) Work(ctx context.Context, job *river.Job[sliceArgs]) error {
	p := w.process
	give, ok := p.seats.take(ctx, p.stop, p.demand(job.Args.Sweep))
	if !ok {
		return p.putBack(job)
	}
	defer give()
	s := &stint{key: leaseKey{job.Args.Run, job.Args.Fence}, give: give, until: time.Now().Add(stayLimit)}
	for first := true; first || s.again; first = false {
		s.again = false
		if err := p.slice(ctx, s); err != nil {
			if first && (errors.Is(err, errNotNow) || errors.Is(err, errLacks)) {
				return p.putBack(job)
			}
			if first {
				return err
			}
			p.log.Warn("run left to the next worker", "run", s.key.run, "error", err)
			return nil // the reaper finds a waiting run without a job
		}
	}
	return nil
}

// errNotNow says that a run could not be claimed before the process stopped.
var errNotNow = errors.New("the worker stops")

// stint is what one job does: the slices of a run that follow each other here.
type stint struct {
	key   leaseKey // of the slice that is next, or being trained
	give  func()   // gives the seat back
	until time.Time
	again bool // the run waits for its next slice under key, and no job does
}

// slice claims and trains one slice.
func (p *process) slice(ctx context.Context, s *stint) error {
	key := s.key
	if !p.reserve(key) {
		return nil // a second job for the same fence
	}
	defer p.poke()
	defer p.free(key)

	claim, cancelClaim := context.WithCancel(ctx)
	defer cancelClaim()
	defer context.AfterFunc(p.work, cancelClaim)()
	var lease tracker.Lease
	err := p.outage.survive(claim, func(ctx context.Context) (err error) {
		lease, err = p.store.ClaimIf(ctx, key.run, key.fence, p.worker, p.accept)
		return err
	})
	switch {
	case errors.Is(err, errLacks):
		if err := p.recordLacks(ctx); err != nil {
			p.log.Warn("could not record what is lacking", "error", err)
		}
		return errLacks
	case errors.Is(err, tracker.ErrStale):
		return nil
	case claim.Err() != nil && err != nil:
		return errNotNow
	case err != nil:
		p.log.Error("run could not be claimed", "run", key.run, "error", err)
		return err
	}
	p.poke()
	p.train(ctx, lease, s)
	return nil
}

// reserve notes that this process is about to claim a run under a fence; false
// if it does already.
func (p *process) reserve(key leaseKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.active[key]; ok {
		return false
	}
	p.active[key] = nil
	return true
}

func (p *process) free(key leaseKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.active, key)
}

// train runs one slice under a lease and stores what came of it.
func (p *process) train(ctx context.Context, lease tracker.Lease, s *stint) {
	slice, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.work, func() { cancel(errStopping) })()
	held := &holding{cancel: cancel}
	p.mu.Lock()
	p.active[leaseKey{lease.Run.ID, lease.Fence}] = held
	p.mu.Unlock()

	rec := &recorder{
		store: p.store, lease: lease, ctx: slice, cancel: cancel, stop: p.stop, paused: held.paused.Load, now: time.Now,
		next: time.Now().Add(flushInterval), until: lease.Run.Until, epoch: lease.Epoch,
	}
	policy, err := p.policy(slice, lease.Run.SweepID)
	var out Slice
	switch {
	case err != nil:
	case atRung(lease, lease.Epoch): // it was cancelled there and resumed
		out = Slice{Epoch: lease.Epoch, Epochs: lease.Run.Epochs, Checkpoint: lease.Checkpoint}
	default:
		out, err = p.call(slice, lease, rec, policy.Slice)
	}
	if err != nil || out.Done {
		s.give()
	}
	cause := context.Cause(slice)
	switch {
	case errors.Is(cause, tracker.ErrFenced):
		p.log.Info("slice dropped: the run was cancelled or given away", "run", lease.Run.ID)
		return
	case err == nil:
		err = p.keep(lease, rec, out, s)
	case cause != nil && !errors.Is(cause, context.DeadlineExceeded):
		err = p.giveBack(lease, rec.rest())
	default:
		f := failure(err, policy.Retry)
		if f.Code == CodeDiskFull && p.holdOff(lease.Run.ID, err) {
			err = p.giveBack(lease, rec.rest())
			break
		}
		err = p.fail(lease, f)
	}
	if errors.Is(err, tracker.ErrFenced) {
		p.log.Info("slice dropped: the run was cancelled or given away", "run", lease.Run.ID)
		return
	}
	if err != nil {
		p.log.Error("slice could not be stored", "run", lease.Run.ID, "error", err)
		p.mu.Lock()
		p.refused[leaseKey{lease.Run.ID, lease.Fence}] = err.Error()
		p.mu.Unlock()
	}
}

// call reads the spec and calls the RunFunc.
func (p *process) call(ctx context.Context, lease tracker.Lease, rec *recorder, budget time.Duration) (Slice, error) {
	spec, err := ParseSpec(lease.Run.Spec)
	if err != nil {
		return Slice{}, specError{err}
	}
	checkpoint := lease.Checkpoint
	if len(checkpoint) == 0 {
		checkpoint = nil // a run that was given back before its first checkpoint
	}
	rec.end = rec.now().Add(budget)
	out, err := guard(func() (Slice, error) { return p.run(ctx, spec, checkpoint, rec, budget) })
	switch {
	case err != nil:
		return Slice{}, err
	case out.Done && out.Outcome == nil:
		return Slice{}, fmt.Errorf("the run ended without an outcome")
	case !out.Done && len(out.Checkpoint) == 0:
		return Slice{}, fmt.Errorf("the slice ended without a checkpoint")
	}
	return out, nil
}

// keep stores the result of a slice. A result that the database refuses is a
// failure of the run.
func (p *process) keep(lease tracker.Lease, rec *recorder, out Slice, s *stint) error {
	var err error
	if out.Done {
		err = p.finish(lease, rec, out)
	} else {
		err = p.next(lease, tracker.Slice{
			Epoch: out.Epoch, Checkpoint: out.Checkpoint, Points: rec.rest(), Memory: out.Memory, Hold: atRung(lease, out.Epoch),
		}, s)
	}
	if err == nil || errors.Is(err, tracker.ErrFenced) || absent(err) || p.last.Err() != nil {
		return err
	}
	return p.fail(lease, tracker.Failure{Code: CodeError, Message: err.Error()})
}

// next stores a checkpoint. The next slice stays with s, or is enqueued if s is
// nil, has lasted long, or the process stops.
func (p *process) next(lease tracker.Lease, slice tracker.Slice, s *stint) error {
	var stays bool
	var fence int64
	err := p.inTx(p.last, func(ctx context.Context, tx pgx.Tx) error {
		next, err := p.store.CommitSlice(ctx, tx, lease, slice)
		if err != nil {
			return err
		}
		if slice.Hold || p.bounded(lease.Run.SweepID) { // its search decides, or its budget
			if err := p.queue.advance(ctx, tx, lease.Run.SweepID); err != nil || slice.Hold {
				return err
			}
		}
		fence = next.Fence
		stays = next.Enqueue() && s != nil && !p.stopping() && time.Now().Before(s.until)
		if stays { // unless a run of another sweep has waited longer for its share
			yields, err := p.store.In(tx).Yields(ctx, lease.Run.SweepID)
			if err != nil {
				return err
			}
			stays = !yields
		}
		if stays {
			return nil
		}
		return p.follow(ctx, tx, lease, next)
	})
	if err == nil && stays {
		s.key, s.again = leaseKey{lease.Run.ID, fence}, true
	}
	return err
}

func (p *process) stopping() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// backoff is how long a run that has failed waits for its next attempt.
func (p *process) backoff(lease tracker.Lease) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policies[lease.Run.SweepID].Retry.wait(lease.Run.Attempt)
}

// bounded reports whether a sweep, as it was last read, has a budget of hours.
func (p *process) bounded(sweepID int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.policies[sweepID].hours
}

// atRung reports whether a run that has trained so many epochs waits for the
// decision of its search.
func atRung(lease tracker.Lease, epoch int) bool {
	return lease.Run.Until > 0 && epoch >= lease.Run.Until && lease.Run.Until < lease.Run.Epochs
}

func (p *process) finish(lease tracker.Lease, rec *recorder, out Slice) error {
	outcome := *out.Outcome
	outcome.Points = append(rec.rest(), outcome.Points...)
	outcome.Memory = out.Memory
	return p.inTx(p.last, func(ctx context.Context, tx pgx.Tx) error {
		if err := p.store.Finish(ctx, tx, lease, outcome); err != nil {
			return err
		}
		return p.queue.advance(ctx, tx, lease.Run.SweepID)
	})
}

// giveBack returns a run to where its slice began.
func (p *process) giveBack(lease tracker.Lease, points []tracker.Point) error {
	checkpoint := lease.Checkpoint
	if checkpoint == nil {
		checkpoint = []byte{} // as before the first slice
	}
	return p.next(lease, tracker.Slice{Epoch: lease.Epoch, Checkpoint: checkpoint, Points: points}, nil)
}

func (p *process) fail(lease tracker.Lease, f tracker.Failure) error {
	p.log.Warn("run failed", "run", lease.Run.ID, "code", f.Code, "error", f.Message)
	return p.inTx(p.last, func(ctx context.Context, tx pgx.Tx) error {
		next, err := p.store.Fail(ctx, tx, lease, f)
		if err != nil {
			return err
		}
		if next.Enqueue() {
			return p.queue.later(ctx, tx, sliceArgs{Run: lease.Run.ID, Fence: next.Fence, Sweep: lease.Run.SweepID}, p.backoff(lease))
		}
		return p.follow(ctx, tx, lease, next)
	})
}

// follow enqueues what comes after the end of a lease.
func (p *process) follow(ctx context.Context, tx pgx.Tx, lease tracker.Lease, next tracker.Next) error {
	if next.Enqueue() {
		return p.queue.slice(ctx, tx, sliceArgs{Run: lease.Run.ID, Fence: next.Fence, Sweep: lease.Run.SweepID}, continued)
	}
	if next.State.Ended() {
		return p.queue.advance(ctx, tx, lease.Run.SweepID)
	}
	return nil
}

// foreignPause is how long an advance of a sweep that this program does not know how
// to plan is left to other workers.
const foreignPause = 2 * time.Second

// advanceWorker looks what a sweep needs next.
type advanceWorker struct {
	river.WorkerDefaults[advanceArgs]
	process *process
}

func (w *advanceWorker) Work(ctx context.Context, job *river.Job[advanceArgs]) error {
	p := w.process
	defer p.poke()
	if policy, err := p.policy(ctx, job.Args.Sweep); err == nil && policy.Contract != Contract {
		return river.JobSnooze(foreignPause) // for a worker of that contract
	}
	// Planning a large sweep takes its time.
	err := p.outage.surviveWithin(ctx, 0, func(ctx context.Context) error {
		return advanceSweep(ctx, p.store, p.queue, job.Args.Sweep)
	})
	var why *unproposed
	switch {
	case errors.Is(err, tracker.ErrNotFound):
		return nil // deleted in the meantime
	case errors.Is(err, tracker.ErrNotOwner):
		return river.JobSnooze(foreignPause) // for a worker of the owner
	case errors.Is(err, context.Canceled) && ctx.Err() == nil:
		return &river.JobSnoozeError{} // this process stops
	case errors.As(err, &why):
		return w.lacksSampler(ctx, job, why)
	}
	return err
}

// lacksSampler leaves a search to workers that have its plugin, and pauses the sweep
// if there are none.
func (w *advanceWorker) lacksSampler(ctx context.Context, job *river.Job[advanceArgs], why *unproposed) error {
	p := w.process
	others, err := p.others(ctx)
	if err != nil {
		return err
	}
	if others && p.clock.Now().Sub(job.CreatedAt) < lackPatience {
		return river.JobSnooze(foreignPause)
	}
	if err := pauseUnproposed(ctx, p.store, job.Args.Sweep, why); errors.Is(err, tracker.ErrNotOwner) {
		return river.JobSnooze(foreignPause)
	} else if err != nil {
		return err
	}
	return nil
}
