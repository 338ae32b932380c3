package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/pglocal"
)

// app holds what subcommands share. Everything is opened on first use, so that
// validate and plan never touch the database.
type app struct {
	in   io.Reader
	out  io.Writer
	errs io.Writer

	json bool

	cluster  *pglocal.Cluster
	store    *tracker.Store
	registry *plugin.Registry
	lock     *plugin.Lock
	pool     *plugin.Pool
}

// dsnVariable names the PostgreSQL server to use instead of the private one.
const dsnVariable = "DECONFOUND_DSN"

// contentsVariable names where archives and other large contents are kept: see
// tracker.WithContents.
const contentsVariable = "DECONFOUND_ARTIFACTS"

// analystVariable names the login of the SQL console and of deconfound sql where that
// role has a password.
const analystVariable = "DECONFOUND_ANALYST_DSN"

// dsn returns the connection string, starting the private cluster if no server
// was named.
func (a *app) dsn(ctx context.Context) (string, error) {
	if dsn := os.Getenv(dsnVariable); dsn != "" {
		return dsn, nil
	}
	if a.cluster == nil {
		h, err := findHome()
		if err != nil {
			return "", err
		}
		a.cluster, err = pglocal.Open(ctx, pglocal.Config{Dir: h.postgres()})
		if err != nil {
			return "", fmt.Errorf("start the private PostgreSQL (or name a server in %s): %w", dsnVariable, err)
		}
	}
	return a.cluster.DSN(), nil
}

// tracker opens the store and brings its schema up to date.
func (a *app) tracker(ctx context.Context) (*tracker.Store, error) {
	if a.store != nil {
		return a.store, nil
	}
	dsn, err := a.dsn(ctx)
	if err != nil {
		return nil, err
	}
	store, err := tracker.Open(ctx, dsn, tracker.WithContents(os.Getenv(contentsVariable)), tracker.WithAnalystDSN(os.Getenv(analystVariable)))
	if err != nil {
		return nil, err
	}
	if err := a.migrate(ctx, store); err != nil {
		store.Close()
		return nil, fmt.Errorf("bring the database schema up to date: %w", err)
	}
	a.store = store
	return store, nil
}

// migrate survives the end of the private server, which somebody may kill at any
// time; a server that somebody named must be there.
func (a *app) migrate(ctx context.Context, store *tracker.Store) error {
	if a.cluster == nil {
		return store.Migrate(ctx)
	}
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var gone error
	err := sweeps.Survive(ctx, func(ctx context.Context) error {
		if gone = a.cluster.Ensure(ctx); gone != nil {
			giveUp() // it does not come back
		}
		return gone
	}, store.Migrate)
	if gone != nil {
		return gone
	}
	return err
}

// plugins are the installed plugins.
func (a *app) plugins() *plugin.Registry {
	if a.registry == nil {
		executable, err := os.Executable()
		if err != nil {
			executable = ""
		}
		a.registry = plugin.Scan(plugin.Directories(executable, os.Getenv)...)
	}
	return a.registry
}

// processes is the pool of running plugins; the lock file of the working
// directory, if there is one, says which may run.
func (a *app) processes() *plugin.Pool {
	if a.pool == nil {
		a.pool = plugin.NewPool(plugin.PoolConfig{Lock: a.lock})
	}
	return a.pool
}

// close releases everything, last opened first.
func (a *app) close() {
	var errs []error
	if a.pool != nil {
		a.pool.Close()
		a.pool = nil
	}
	if a.store != nil {
		a.store.Close()
		a.store = nil
	}
	if a.cluster != nil {
		errs = append(errs, a.cluster.Close())
		a.cluster = nil
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintf(a.errs, "deconfound: %v\n", err)
	}
}
