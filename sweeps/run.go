package sweeps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

// ErrStopped says that Run was asked to stop before the sweep had finished. No
// work but that of the slices in progress is lost; Status.Hint says how to go on.
var ErrStopped = errors.New("stopped before the sweep had finished")

// Run enqueues a sweep and works on it, together with whatever other workers
// there are, until it is finished, paused or cancelled. When ctx ends it lets
// slices reach their next checkpoint within Options.Grace and answers
// ErrStopped. The status is the last one known, also beside an error.
func Run(ctx context.Context, store *tracker.Store, plan *Plan, run RunFunc, opts Options) (Status, error) {
	p := newProcess(store, run, opts)
	var report Report
	err := p.outage.surviveWithin(ctx, 0, func(ctx context.Context) (err error) { // however large it is
		report, err = Enqueue(ctx, store, plan)
		return err
	})
	if err != nil {
		return Status{}, err
	}
	if err := p.outage.survive(ctx, p.start); err != nil {
		return Status{}, fmt.Errorf("run sweep %s: %w", plan.Name, err)
	}
	status, err := p.follows(ctx, report.Sweep)
	p.shutdown()
	if err != nil && ctx.Err() != nil {
		err = ErrStopped
	}
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if now, serr := p.status(final, report.Sweep); serr == nil {
		status = now
	}
	status.New = report.New
	if err != nil && !errors.Is(err, ErrStopped) {
		err = fmt.Errorf("run sweep %s: %w", plan.Name, err)
	}
	return status, err
}

// follows watches a sweep until there is nothing to wait for.
func (p *process) follows(ctx context.Context, sweepID int64) (Status, error) {
	ticker := time.NewTicker(p.opts.Refresh)
	defer ticker.Stop()
	var status Status
	for first := true; ; first = false {
		var now Status
		var took time.Duration // without the attempts that failed while the database was away
		err := p.outage.survive(ctx, func(ctx context.Context) (err error) {
			begin := time.Now()
			now, err = p.status(ctx, sweepID)
			took = time.Since(begin)
			return err
		})
		if err != nil {
			return status, err
		}
		if p.opts.Progress != nil && (first || !now.same(status)) {
			p.opts.Progress(now)
		}
		status = now
		if status.Finished || !status.Open() && (status.Paused || status.Cancelled) {
			return status, nil
		}
		// The status of a large sweep is work: spend a sixth of the time on it.
		if err := sleep(ctx, 5*took); err != nil {
			return status, err
		}
		select {
		case <-ctx.Done():
			return status, ctx.Err()
		case <-p.use.Done():
			return status, context.Cause(p.use)
		case <-p.changed:
		case <-ticker.C:
		}
	}
}

func (p *process) status(ctx context.Context, sweepID int64) (Status, error) {
	sweep, err := p.store.SweepHeadByID(ctx, sweepID)
	if err != nil {
		return Status{}, err
	}
	return statusOf(ctx, p.store, sweep)
}

// Work works on every sweep of the store until ctx ends. Then it lets slices
// reach their next checkpoint within Options.Grace and answers nil, or ErrOutdated if the
// database has left this program behind.
func Work(ctx context.Context, store *tracker.Store, run RunFunc, opts Options) error {
	p := newProcess(store, run, opts)
	if err := p.outage.survive(ctx, p.start); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	var unfit error
	select {
	case <-ctx.Done():
	case <-p.use.Done():
		unfit = context.Cause(p.use)
	}
	p.shutdown()
	return unfit
}
