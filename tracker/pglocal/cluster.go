package pglocal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// User is the cluster's superuser and Database the database that Open makes.
	User     = "deconfound"
	Database = "deconfound"

	readyTimeout = 60 * time.Second // a first start on a busy machine takes seconds
	closeTimeout = 20 * time.Second
	pollInterval = 20 * time.Millisecond
	maxStarts    = 3 // supervisors that one Ensure starts
)

// Config says where a cluster lives.
type Config struct {
	Dir       string       // made if it is missing
	Log       *slog.Logger // nil = silent
	Temporary bool         // for tests: no fsync, and Dir is deleted after the last user
}

// Cluster is this process's share in a running cluster.
type Cluster struct {
	config Config
	layout layout

	mu    sync.Mutex
	users *os.File        // holds the shared lock; nil after Close
	child <-chan struct{} // closed when the supervisor that we started last has ended; nil if we started none
}

// Open joins the cluster in config.Dir, starting it if it does not run, and
// waits up to 60 s until it answers. Close it when done; a process that just
// ends leaves nothing behind either.
func Open(ctx context.Context, config Config) (*Cluster, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("open private cluster: %w", err)
	}
	config.Dir = dir
	layout, err := newLayout(dir)
	if err != nil {
		return nil, fmt.Errorf("open private cluster: %w", err)
	}
	c := &Cluster{config: config, layout: layout}
	if err := c.Ensure(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// DSN is how to connect to the cluster's database as its superuser.
func (c *Cluster) DSN() string { return c.layout.dsn(Database) }

// LogPath is the server's log file.
func (c *Cluster) LogPath() string { return c.layout.log }

// Ensure waits until the server answers, with a new supervisor if there is none
// any more. Call it when connections are refused: somebody may have killed the
// supervisor.
func (c *Cluster) Ensure(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	since := fileSize(c.layout.log)
	if err := c.ensure(ctx); err != nil {
		if lines := tail(c.layout.log, since); lines != "" {
			return fmt.Errorf("start private cluster in %s: %w; the end of %s:\n%s", c.config.Dir, err, c.layout.log, lines)
		}
		return fmt.Errorf("start private cluster in %s: %w", c.config.Dir, err)
	}
	return nil
}

func (c *Cluster) ensure(ctx context.Context) error {
	if c.users == nil {
		// While a supervisor is stopping the server this waits for it.
		f, err := lockShared(ctx, c.layout.usersLock)
		if err != nil {
			return err
		}
		c.users = f
	}
	for starts := 0; ; {
		running, err := lockHeld(c.layout.supervisorLock)
		if err != nil {
			return err
		}
		if !running {
			if starts == maxStarts {
				return errors.New("the server does not stay up")
			}
			starts++
			if err := c.spawn(ctx); err != nil {
				return err
			}
		}
		err = c.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(pollInterval):
		}
	}
}

// ping connects and makes the database if it is missing.
func (c *Cluster) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.layout.dsn(Database))
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "3D000" { // invalid_catalog_name
		return c.createDatabase(ctx)
	}
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

func (c *Cluster) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.layout.dsn("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `create database `+Database)
	var e *pgconn.PgError
	// Another process may be making it at this moment: duplicate_database or a
	// unique violation in the catalogue.
	if errors.As(err, &e) && (e.Code == "42P04" || e.Code == "23505") {
		return nil
	}
	return err
}

// Close leaves the cluster. The last process to leave waits, for a bounded time,
// until the server and its supervisor are gone. Closing twice does nothing.
func (c *Cluster) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users == nil {
		return nil
	}
	err := c.users.Close() // lets go of the lock
	c.users = nil
	if err != nil {
		return fmt.Errorf("close private cluster: %w", err)
	}
	for deadline := time.Now().Add(closeTimeout); time.Now().Before(deadline); time.Sleep(pollInterval / 2) { //nolint:forbidigo // polls: nobody is told when a lock is let go
		running, err := lockHeld(c.layout.supervisorLock)
		if err != nil || !running { // gone, with its directory if that was temporary
			if c.child != nil {
				select {
				case <-c.child:
				case <-time.After(time.Until(deadline)):
				}
			}
			return nil
		}
		if others, err := usersLeft(c.layout.usersLock); err != nil || others {
			return nil
		}
	}
	return fmt.Errorf("close private cluster: the server in %s has not stopped after %v; see %s", c.config.Dir, closeTimeout, c.layout.log)
}
