package plugin

import (
	"context"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

const (
	// firstBackoff is the wait before a plugin is started again after its process
	// failed; it doubles with every further failure.
	firstBackoff = time.Second
	// longestBackoff is where it stops growing.
	longestBackoff = 4 * time.Second
	// defaultIdle is PoolConfig.Idle when it is 0. A start takes 60 ms.
	defaultIdle = time.Minute
)

// PoolConfig is how a pool runs its processes.
type PoolConfig struct {
	Process Config
	// Log gives each process its log; nil is Process.Log for all.
	Log func(Entry) io.Writer
	// Lock is verified before every start; nil allows everything.
	Lock *Lock
	// Idle is how long a process without a session is kept for the next run; 0 is
	// one minute.
	Idle time.Duration
	// Clock is what backoff goes by, for tests; nil is the real one.
	Clock Clock
}

// Pool keeps one process per plugin and opens any number of sessions on it, of
// one run after the other and of runs side by side. A process that failed is
// replaced at the next session, after 1, 2, then 4 seconds; a session that was
// opened and closed without harm to its process starts the count again. A process
// without sessions is ended after a while.
type Pool struct {
	cfg  PoolConfig
	life context.Context // ends with Close
	end  context.CancelFunc

	mu     sync.Mutex
	places map[string]*place // by Entry.key
	closed bool
}

// place is where the process of one plugin lives.
type place struct {
	busy chan struct{} // holds a value while a process is looked up or started

	mu       sync.Mutex
	process  *Process
	users    int         // sessions, and calls that need the process
	idle     *time.Timer // ends the process when nobody has used it for a while
	failures int         // processes that failed in a row
	failed   time.Time   // when the last one was found to have failed
}

// NewPool returns an empty pool. Close it to end its processes.
func NewPool(cfg PoolConfig) *Pool {
	if cfg.Clock == nil {
		cfg.Clock = wallClock{}
	}
	if cfg.Idle <= 0 {
		cfg.Idle = defaultIdle
	}
	p := &Pool{cfg: cfg, places: map[string]*place{}}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// Info starts the plugin if needed and answers its description. That of a script is
// its manifest.
func (p *Pool) Info(ctx context.Context, e Entry) (sdk.Info, error) {
	if e.Script != nil {
		return e.Script.Info, p.cfg.Lock.Verify(e)
	}
	process, pl, err := p.acquire(ctx, e)
	if err != nil {
		return sdk.Info{}, err
	}
	defer p.release(pl)
	return process.Info(), nil
}

// OpenBackbone starts the plugin if needed and opens a session.
func (p *Pool) OpenBackbone(ctx context.Context, e Entry, req sdk.OpenRequest) (sdk.BackboneSession, error) {
	process, pl, err := p.acquire(ctx, e)
	if err != nil {
		return nil, err
	}
	s, err := OpenBackbone(ctx, process, req)
	if err != nil {
		p.release(pl)
		return nil, err
	}
	return &pooledBackbone{BackboneSession: s, user: user{pool: p, place: pl}}, nil
}

// OpenStrategy starts the plugin if needed and opens a session.
func (p *Pool) OpenStrategy(ctx context.Context, e Entry, req sdk.StrategyOpenRequest) (sdk.StrategySession, error) {
	process, pl, err := p.acquire(ctx, e)
	if err != nil {
		return nil, err
	}
	s, err := OpenStrategy(ctx, process, req)
	if err != nil {
		p.release(pl)
		return nil, err
	}
	return &pooledStrategy{StrategySession: s, user: user{pool: p, place: pl}}, nil
}

// Close ends all processes and waits for them. Nothing can be opened afterwards.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	places := p.places
	p.places = map[string]*place{}
	p.mu.Unlock()
	p.end()
	var wait sync.WaitGroup
	for _, pl := range places {
		wait.Go(func() {
			pl.busy <- struct{}{}
			defer func() { <-pl.busy }()
			if process := pl.vacate(); process != nil {
				process.Close()
			}
		})
	}
	wait.Wait()
}

// acquire returns the living process of a plugin, starting one if there is none.
// The caller releases the place.
func (p *Pool) acquire(ctx context.Context, e Entry) (*Process, *place, error) {
	if e.Script != nil {
		return nil, nil, sdk.Errorf(sdk.CodeUnsupported, "%s is a script: it trains by itself and opens no session", e)
	}
	pl, err := p.place(e)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	select {
	case pl.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "start %s", e)
	}
	defer func() { <-pl.busy }()

	// The pool may have been closed while this waited.
	if _, err := p.place(e); err != nil {
		return nil, nil, err
	}
	if process := pl.current(); process != nil {
		if process.Err() == nil {
			pl.occupy(process)
			return process, pl, nil
		}
		pl.lost(p.cfg.Clock.Now())
	}
	if err := p.wait(ctx, e, pl); err != nil {
		return nil, nil, err
	}
	if err := p.cfg.Lock.Verify(e); err != nil {
		return nil, nil, err
	}
	cfg := p.cfg.Process
	if p.cfg.Log != nil {
		cfg.Log = p.cfg.Log(e)
	}
	process, err := Start(ctx, e, cfg)
	if err != nil {
		if sdk.CodeOf(err) != sdk.CodeCanceled {
			pl.lost(p.cfg.Clock.Now())
		}
		return nil, nil, err
	}
	pl.occupy(process)
	return process, pl, nil
}

// release says that a user of the place is done. The last one leaves the process
// to the next, if that comes in time.
func (p *Pool) release(pl *place) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.users--
	if pl.users == 0 && pl.process != nil {
		pl.idle = time.AfterFunc(p.cfg.Idle, func() { p.retire(pl) })
	}
}

// retire ends a process that nobody uses.
func (p *Pool) retire(pl *place) {
	pl.busy <- struct{}{}
	defer func() { <-pl.busy }()
	pl.mu.Lock()
	used := pl.users > 0
	pl.mu.Unlock()
	if used {
		return
	}
	if process := pl.vacate(); process != nil {
		process.Close()
	}
}

func (p *Pool) place(e Entry) (*place, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, sdk.Errorf(sdk.CodeClosed, "start %s: the host is shutting down", e)
	}
	key := e.key()
	pl := p.places[key]
	if pl == nil {
		pl = &place{busy: make(chan struct{}, 1)}
		p.places[key] = pl
	}
	return pl, nil
}

// Execute runs a script under the lock of the pool; see [Execute].
func (p *Pool) Execute(ctx context.Context, x Execution) (peak int64, err error) {
	x.Lock = p.cfg.Lock
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	return Execute(ctx, x)
}

// memory is what every living process uses, by Entry.key; see Process.Memory.
func (p *Pool) memory() map[string]int64 {
	p.mu.Lock()
	places := maps.Clone(p.places)
	p.mu.Unlock()
	out := make(map[string]int64, len(places))
	for key, pl := range places {
		if process := pl.current(); process != nil {
			if used, err := process.Memory(); err == nil {
				out[key] = used
			}
		}
	}
	return out
}

// wait waits for the end of the backoff.
func (p *Pool) wait(ctx context.Context, e Entry, pl *place) error {
	pl.mu.Lock()
	failures, failed := pl.failures, pl.failed
	pl.mu.Unlock()
	if failures == 0 {
		return nil
	}
	backoff := min(firstBackoff<<min(failures-1, 8), longestBackoff)
	left := failed.Add(backoff).Sub(p.cfg.Clock.Now())
	if left <= 0 {
		return nil
	}
	select {
	case <-p.cfg.Clock.After(left):
		return nil
	case <-ctx.Done():
		return sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "start %s again", e)
	}
}

// occupy adds a user of the process.
func (pl *place) occupy(process *Process) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.process = process
	pl.users++
	if pl.idle != nil {
		pl.idle.Stop()
		pl.idle = nil
	}
}

// vacate takes the process from the place.
func (pl *place) vacate() *Process {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.idle != nil {
		pl.idle.Stop()
		pl.idle = nil
	}
	process := pl.process
	pl.process = nil
	return process
}

func (pl *place) current() *Process {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	return pl.process
}

// lost counts a process that failed, or did not start.
func (pl *place) lost(now time.Time) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.process = nil
	pl.failures++
	pl.failed = now
}

// well forgets failures of the processes before this one.
func (pl *place) well(process *Process) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.process == process && process.Err() == nil {
		pl.failures = 0
	}
}

// user is a session's hold on a place.
type user struct {
	pool  *Pool
	place *place
	once  sync.Once
}

// done tells the pool of the end of a session, and whether it was a good one.
func (u *user) done(process *Process, err error) {
	if err == nil {
		u.place.well(process)
	}
	u.once.Do(func() { u.pool.release(u.place) })
}

// pooledBackbone tells the pool of its end.
type pooledBackbone struct {
	*BackboneSession
	user user
}

// Close implements sdk.BackboneSession.
func (s *pooledBackbone) Close(ctx context.Context, req sdk.CloseRequest, resp *sdk.CloseResponse) error {
	err := s.BackboneSession.Close(ctx, req, resp)
	s.user.done(s.process, err)
	return err
}

// pooledStrategy tells the pool of its end.
type pooledStrategy struct {
	*StrategySession
	user user
}

// Close implements sdk.StrategySession.
func (s *pooledStrategy) Close(ctx context.Context, req sdk.CloseRequest, resp *sdk.CloseResponse) error {
	err := s.StrategySession.Close(ctx, req, resp)
	s.user.done(s.process, err)
	return err
}
