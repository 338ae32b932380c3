package sweeps

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/deconfound/deconfound/tracker"
)

// Intervals of a worker process.
const (
	reapInterval   = 5 * time.Second        // between looks for lost and forgotten runs, at most
	reapsPerLease  = 4                      // and at least so many in the time of a lease
	callLeases     = 2                      // leases in which the database must have answered
	watchInterval  = 400 * time.Millisecond // between looks whether own leases still hold
	policyLifetime = 5 * time.Second        // of cached sweep settings
	fetchCooldown  = 20 * time.Millisecond
	fetchPoll      = time.Second
	// GraceDefault is how long slices may go on to their next checkpoint after
	// the process was asked to stop; releaseTimeout is what is then left to give
	// the runs back.
	GraceDefault   = 10 * time.Second
	releaseTimeout = 5 * time.Second
	// RefreshDefault is how often Run looks for changes made elsewhere.
	RefreshDefault = time.Second
)

// Options say how a process works. The zero value is usable.
type Options struct {
	Name       string // of the worker, for people; "" = host and process id
	Workers    int    // slices at the same time; 0 = 1
	Provenance tracker.Provenance
	// Room is asked before a slice starts beside the given number of others:
	// false has it wait until one of them ends. It may be nil and is called from
	// several goroutines.
	Room func(training int) bool
	// Labels, Memory (bytes) and Cores are what the worker has to offer to sweeps that
	// require something; 0 is not known, and enough for all.
	Labels map[string]string
	Memory int64
	Cores  int
	// Lacks answers what this process would need to train a run, and has not, one line
	// each: plugins, data. Such a run is left to other workers. It may be nil.
	Lacks func(RunSpec) []string
	// Propose asks the plugins of searches for points; nil leaves that to other
	// workers. It is called from several goroutines.
	Propose ProposeFunc
	// Reconnect is called when the database cannot be reached, before the next
	// attempt, to bring a private cluster back. It may be nil.
	Reconnect func(context.Context) error
	// Grace is GraceDefault when 0; below 0 slices are abandoned at once, back to
	// their last checkpoint.
	Grace time.Duration
	// Hurry ends the grace early when it is done; nil never does.
	Hurry   context.Context
	Refresh time.Duration // RefreshDefault when 0
	// Lease is how long this worker may be silent before its runs are given to
	// others; tracker.LeaseDefault when 0.
	Lease  time.Duration
	Logger *slog.Logger // nil: silent
	// Progress is called by Run, from one goroutine, whenever the status changes.
	Progress func(Status)
}

// errStopping cancels the slices of a process whose grace has run out.
var errStopping = errors.New("the worker stops")

// process is a worker: one advisory lock, one River client, some slices.
type process struct {
	store  *tracker.Store
	run    RunFunc
	opts   Options
	log    *slog.Logger
	worker *tracker.Worker
	queue  *queue
	outage outage
	clock  serverClock
	seats  *seats

	stop    chan struct{} // closed when asked to stop
	work    context.Context
	endWork context.CancelCauseFunc
	// last ends when there is no time left to write anything.
	last    context.Context
	endLast context.CancelFunc
	loops   sync.WaitGroup
	// changed has room for one and says that something happened here.
	changed chan struct{}

	mu       sync.Mutex
	active   map[leaseKey]*holding // nil while it is being claimed
	refused  map[leaseKey]string   // why the end of a lease could not be stored
	policies map[int64]policy
	settled  map[int64]settledSweep
	able     map[string]time.Time // needs of runs that can be trained here, and when that was found
	lacks    map[string]lack      // needs of runs that cannot
	recorded string               // of lacks, as the database has it
	hold     time.Time            // no new slice before
	full     map[int64]int        // how often a run has met a full disk here

	use    context.Context // ends when this program must not go on; its cause says why
	endUse context.CancelCauseFunc
}

// holding is a slice that is being trained.
type holding struct {
	cancel context.CancelCauseFunc
	paused atomic.Bool // the sweep has paused
}

// ErrOutdated says that the database has been migrated by a newer program.
var ErrOutdated = errors.New("the database is newer than this program; install the newer one")

// leaseKey is a run that this process holds, or is about to claim, and the fence.
type leaseKey struct{ run, fence int64 }

// policy is what a slice must know of its sweep.
type policy struct {
	Retry    RetryPolicy   `json:"retry"`
	Slice    time.Duration `json:"slice_ns"`
	Requires Requires      `json:"requires"`
	Contract int           `json:"contract"`
	hours    bool          // the sweep has a budget of hours
	revision int           // of the plan that said so
	read     time.Time
}

func newProcess(store *tracker.Store, run RunFunc, opts Options) *process {
	opts.Workers = max(1, opts.Workers)
	if opts.Grace == 0 {
		opts.Grace = GraceDefault
	}
	if opts.Refresh == 0 {
		opts.Refresh = RefreshDefault
	}
	if opts.Lease <= 0 {
		opts.Lease = tracker.LeaseDefault
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "worker"
		}
		opts.Name = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	p := &process{
		store: store, run: run, opts: opts, log: opts.Logger,
		outage:  outage{reconnect: opts.Reconnect, wait: sleep, limit: callLeases * opts.Lease},
		seats:   newSeats(opts.Workers, demand{opts.Cores, opts.Memory}, opts.Room),
		stop:    make(chan struct{}),
		changed: make(chan struct{}, 1),
		able:    map[string]time.Time{}, lacks: map[string]lack{}, full: map[int64]int{},
		active: map[leaseKey]*holding{}, refused: map[leaseKey]string{}, policies: map[int64]policy{}, settled: map[int64]settledSweep{},
	}
	p.outage.tell = func(err error) { p.log.Warn("the database is away; what was trained waits here", "error", err) }
	p.work, p.endWork = context.WithCancelCause(context.Background())
	p.use, p.endUse = context.WithCancelCause(context.Background())
	p.last, p.endLast = context.WithCancel(context.Background())
	return p
}

// start registers the worker and begins to work. After an error there is
// nothing to shut down.
func (p *process) start(ctx context.Context) (err error) {
	if p.worker, err = p.store.Register(ctx, tracker.Registration{
		Name: p.opts.Name, Lease: p.opts.Lease, Labels: p.opts.Labels, Memory: p.opts.Memory, Cores: p.opts.Cores,
	}); err != nil {
		return err
	}
	p.worker.Provenance = p.opts.Provenance
	if err := p.clock.set(ctx, p.store); err != nil {
		p.worker.Close()
		return err
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &sliceWorker{process: p})
	river.AddWorker(workers, &advanceWorker{process: p})
	// During an outage River reports every attempt of each of its services.
	quiet := slog.New(slog.DiscardHandler)
	if p.log.Enabled(ctx, slog.LevelDebug) {
		quiet = p.log
	}
	client, err := river.NewClient(driver{riverpgxv5.New(p.store.Pool()), p}, &river.Config{
		Schema:  tracker.Schema,
		Test:    river.TestConfig{Time: &p.clock}, // the only way to give it a clock
		Logger:  quiet,
		Workers: workers,
		// One more than there are seats, so that the next run is at hand while the
		// results of the last one are written.
		Queues:                      map[string]river.QueueConfig{queueSlices: {MaxWorkers: p.opts.Workers + 1}, queueAdvance: {MaxWorkers: 1}},
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		JobTimeout:                  SliceTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: jobRetention,
		CancelledJobRetentionPeriod: jobRetention,
		DiscardedJobRetentionPeriod: jobRetention,
	})
	if err != nil {
		p.worker.Close()
		return fmt.Errorf("open queue: %w", err)
	}
	p.queue = &queue{client: client, sampler: p.opts.Propose, stop: p.stop, log: p.log}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		p.worker.Close()
		return fmt.Errorf("start queue: %w", err)
	}
	p.loop(min(reapInterval, p.opts.Lease/reapsPerLease), p.reap)
	p.loop(watchInterval, p.watch)
	p.loop(retainInterval, p.retain)
	return nil
}

// loop calls f at once and then at every interval, until the process stops.
func (p *process) loop(interval time.Duration, f func(context.Context)) {
	p.loops.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			f(p.work)
			select {
			case <-p.work.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

// shutdown ends the process: no new slice, then the grace, then everything that
// is left is given back.
func (p *process) shutdown() {
	close(p.stop)
	client := p.queue.client
	soft, cancel := context.WithTimeout(context.Background(), max(p.opts.Grace, 0))
	defer cancel()
	if p.opts.Grace < 0 {
		p.endWork(errStopping)
	}
	if p.opts.Hurry != nil {
		defer context.AfterFunc(p.opts.Hurry, cancel)()
	}
	err := client.Stop(soft)
	p.endWork(errStopping)
	p.loops.Wait()
	if err != nil {
		// The slices have been cancelled. What they still want to write must be
		// written soon; one that does not listen is left behind.
		defer time.AfterFunc(releaseTimeout, p.endLast).Stop()
		select {
		case <-client.Stopped():
		case <-time.After(2 * releaseTimeout):
			p.log.Error("a slice does not end; its run is taken over by the next worker")
		}
	}
	p.endLast()
	p.worker.Close()
}

// poke says that something has changed.
func (p *process) poke() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// policy reads what a sweep's plan says about slices. It is believed for a short time;
// then the plan, which is large if the sweep is, is read again only if it is another.
func (p *process) policy(ctx context.Context, sweepID int64) (policy, error) {
	p.mu.Lock()
	known, ok := p.policies[sweepID]
	p.mu.Unlock()
	if ok && time.Since(known.read) < policyLifetime {
		return known, nil
	}
	err := p.outage.survive(ctx, func(ctx context.Context) (err error) {
		known, err = p.policyFrom(ctx, p.store.Reader, sweepID)
		return err
	})
	return known, err
}

// policyFrom is policy through a reader, once.
func (p *process) policyFrom(ctx context.Context, read tracker.Reader, sweepID int64) (policy, error) {
	p.mu.Lock()
	known, ok := p.policies[sweepID]
	p.mu.Unlock()
	if ok && time.Since(known.read) < policyLifetime {
		return known, nil
	}
	now := time.Now()
	sweep, err := read.SweepHeadByID(ctx, sweepID)
	if err != nil {
		return policy{}, err
	}
	if !ok || known.revision != sweep.Revision {
		if sweep, err = read.SweepByID(ctx, sweepID); err != nil {
			return policy{}, err
		}
		plan, err := StoredPlan(sweep)
		if err != nil {
			return policy{}, specError{err}
		}
		known = policy{
			Retry: plan.Retry, Slice: plan.Slice, Requires: plan.Requires, Contract: max(plan.Contract, 1),
			hours: plan.Budget.Hours > 0, revision: sweep.Revision,
		}
	}
	known.read = now
	p.mu.Lock()
	p.policies[sweepID] = known
	p.mu.Unlock()
	return known, nil
}

// demand is what a run of a sweep takes of the seats' resources, as far as the sweep
// is known.
func (p *process) demand(sweepID int64) demand {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.policies[sweepID].Requires
	return demand{r.Cores, r.Memory}
}

// After a full disk a worker begins nothing for diskPause. A run that meets it again
// and again, diskPatience times, may be what fills it: then it has failed.
const (
	diskPause    = 15 * time.Second
	diskPatience = 3
)

// holdOff has the process begin nothing for a while, because its disk is full; false
// if the run has met that too often.
func (p *process) holdOff(run int64, err error) bool {
	p.log.Warn("no room on a disk of this worker; it begins nothing for a while", "run", run, "pause", min(diskPause, p.opts.Lease), "error", err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = time.Now().Add(min(diskPause, p.opts.Lease))
	p.full[run]++
	return p.full[run] < diskPatience
}

// holdsOff reports whether no slice may begin.
func (p *process) holdsOff() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.hold) || p.use.Err() != nil
}

// inTx runs f in a transaction and survives outages.
func (p *process) inTx(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	return p.outage.survive(ctx, func(ctx context.Context) error {
		return p.store.InTx(ctx, func(tx pgx.Tx) error { return f(ctx, tx) })
	})
}
