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
)

// Worker is a process that trains runs. It counts as alive while it holds its
// advisory lock, on a connection that it uses for nothing else.
type Worker struct {
	// Provenance is stamped on every run that the worker claims. Set it before
	// the first Claim.
	Provenance Provenance

	id     int32
	name   string
	config *pgx.ConnConfig
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	held bool
}

// RegisterWorker makes a worker known. It lives until Close or until the process
// dies; ctx is for the call only.
func (s *Store) RegisterWorker(ctx context.Context, name string) (*Worker, error) {
	config := s.pool.Config().ConnConfig.Copy()
	// A machine that vanishes is noticed by the server within a minute, not
	// after the two hours of its default.
	config.RuntimeParams["tcp_keepalives_idle"] = "30"
	config.RuntimeParams["tcp_keepalives_interval"] = "10"
	config.RuntimeParams["tcp_keepalives_count"] = "3"
	config.RuntimeParams["application_name"] = "deconfound worker"
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	w := &Worker{name: name, config: config, done: make(chan struct{})}
	const insert = `insert into worker (name, host, pid) values ($1, $2, $3) returning worker_id`
	if err := s.pool.QueryRow(ctx, insert, name, host, os.Getpid()).Scan(&w.id); err != nil {
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
		_, err = conn.Exec(ctx, `update worker set last_seen = now() where worker_id = $1`, w.id)
	}
	if err != nil {
		conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// keep waits for the connection to break and makes a new one, until ctx ends.
func (w *Worker) keep(ctx context.Context, conn *pgx.Conn) {
	defer close(w.done)
	for {
		for {
			// Nobody notifies this connection: the call ends when it breaks.
			if _, err := conn.WaitForNotification(ctx); err != nil {
				break
			}
		}
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
			next, err := w.connect(ctx)
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
	w.held = held
	w.mu.Unlock()
}
