package tracker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockClass is the first half of every advisory lock of this package ("DCNF");
// the second half is 0 for schema changes, else the number of a worker.
const lockClass = 0x44434E46

// Reconnection of a worker whose connection broke.
const (
	reconnectFirst = 50 * time.Millisecond
	reconnectLast  = 2 * time.Second
	// reconnectGrace is how long a worker that was cut off itself leaves others the
	// time to come back before it takes their runs: the server may have been away.
	reconnectGrace = 5 * time.Second
)

// LeaseDefault is how long a worker may be silent before it counts as dead. It
// says so beatsPerLease times in that time.
const (
	LeaseDefault  = time.Minute
	beatsPerLease = 6
)

// Registration is what a worker says of itself.
type Registration struct {
	Name   string
	Lease  time.Duration     // LeaseDefault when 0
	Labels map[string]string // compared with what sweeps require; may be nil
	Memory int64             // bytes it may use; 0 is not known
	Cores  int               // 0 is not known
}

// Worker is a process that trains runs. It counts as alive while it holds its
// advisory lock, on a connection that it uses for nothing else, and has been
// heard of within its lease, by the clock of the server: the lock tells at once
// that a process has ended, the lease that one is stopped, hangs or is cut off.
type Worker struct {
	// Provenance is stamped on every run that the worker claims. Set it before
	// the first Claim.
	Provenance Provenance

	id     int32
	name   string
	lease  time.Duration
	config *pgx.ConnConfig
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	held  bool
	since time.Time // of the last reconnection; zero before
	heard time.Time // of the last beat
}

// RegisterWorker is Register with a name and nothing else.
func (s *Store) RegisterWorker(ctx context.Context, name string) (*Worker, error) {
	return s.Register(ctx, Registration{Name: name})
}

// Register makes a worker known. It lives until Close or until the process dies;
// ctx is for the call only.
func (s *Store) Register(ctx context.Context, r Registration) (*Worker, error) {
	name := r.Name
	if r.Lease <= 0 {
		r.Lease = LeaseDefault
	}
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	config := s.pool.Config().ConnConfig.Copy()
	// The session of a machine that vanishes ends within a minute, not after the
	// two hours of the server's default.
	config.RuntimeParams["tcp_keepalives_idle"] = "30"
	config.RuntimeParams["tcp_keepalives_interval"] = "10"
	config.RuntimeParams["tcp_keepalives_count"] = "3"
	config.RuntimeParams["application_name"] = "deconfound worker"
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	w := &Worker{name: name, lease: r.Lease, config: config, done: make(chan struct{})}
	const insert = `insert into worker (name, host, pid, labels, memory, cores, alive_until) values ($1, $2, $3, $4, $5, $6, now() + $7) returning worker_id`
	if err := s.pool.QueryRow(ctx, insert, name, host, os.Getpid(), r.Labels, r.Memory, r.Cores, r.Lease).Scan(&w.id); err != nil {
		return nil, fmt.Errorf("register worker %q: %w", name, err)
	}
	conn, err := w.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("register worker %q: %w", name, err)
	}
	w.held = true
	keep, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go w.keep(keep, conn)
	return w, nil
}

// ID is the worker's number in the table worker.
func (w *Worker) ID() int32 { return w.id }

// Name is what the worker was registered as.
func (w *Worker) Name() string { return w.name }

// Held says whether the worker's connection stands. While it does not, its runs
// may be given to others; the leases that are lost answer ErrFenced.
func (w *Worker) Held() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held
}

// MayReap says whether the worker may take runs away from others: its own
// connection stands and has not just come back, and the server has heard of it, as
// it has not of a process that was stopped and goes on.
func (w *Worker) MayReap() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held && time.Since(w.heard) < w.lease && (w.since.IsZero() || time.Since(w.since) >= min(reconnectGrace, w.lease))
}

// Close lets go of the lock. Runs that the worker still holds can be reaped from
// then on.
func (w *Worker) Close() {
	w.cancel()
	<-w.done
}

// errLockTaken says that the number is locked, by the server's idea of a
// connection of this worker that broke.
var errLockTaken = errors.New("lock is taken")

// connect opens the worker's connection and takes its lock.
func (w *Worker) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, w.config)
	if err != nil {
		return nil, err
	}
	var ok bool
	err = conn.QueryRow(ctx, `select pg_try_advisory_lock($1, $2)`, int32(lockClass), w.id).Scan(&ok)
	if err == nil && !ok {
		err = errLockTaken
	}
	if err == nil {
		err = w.beat(ctx, conn)
	}
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// beat says that the worker lives.
func (w *Worker) beat(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, w.lease/2)
	defer cancel()
	begin := time.Now()
	_, err := conn.Exec(ctx, `update worker set last_seen = now(), alive_until = now() + $2 where worker_id = $1`, w.id, w.lease)
	if err == nil {
		w.mu.Lock()
		w.heard = begin
		w.mu.Unlock()
	}
	return err
}

// watch beats until the connection breaks or ctx ends.
func (w *Worker) watch(ctx context.Context, conn *pgx.Conn) {
	for {
		pause, cancel := context.WithTimeout(ctx, w.lease/beatsPerLease)
		// Nobody notifies this connection: the call ends when it breaks, or when the
		// next beat is due.
		_, err := conn.WaitForNotification(pause)
		due := pause.Err() != nil && ctx.Err() == nil && !conn.IsClosed()
		cancel()
		if !due && err != nil {
			return
		}
		if due && w.beat(ctx, conn) != nil {
			return
		}
	}
}

// keep waits for the connection to break and makes a new one, until ctx ends.
func (w *Worker) keep(ctx context.Context, conn *pgx.Conn) {
	defer close(w.done)
	for {
		w.watch(ctx, conn)
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		if ctx.Err() != nil && !conn.IsClosed() {
			// By name: after a Close alone the server lets go of it a little later.
			_, _ = conn.Exec(last, `select pg_advisory_unlock_all()`)
		}
		_ = conn.Close(last) // it is of no use either way
		stop()
		w.setHeld(false)
		for wait := reconnectFirst; ; wait = min(2*wait, reconnectLast) {
			if ctx.Err() != nil {
				return
			}
			attempt, cancel := context.WithTimeout(ctx, w.lease/2)
			next, err := w.connect(attempt)
			cancel()
			if err == nil {
				conn = next
				break
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
		w.setHeld(true)
	}
}

func (w *Worker) setHeld(held bool) {
	w.mu.Lock()
	if w.held = held; held {
		w.since = time.Now()
	}
	w.mu.Unlock()
}
