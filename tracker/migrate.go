package tracker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/deconfound/deconfound/migrations"
)

// migrateRetry is how often Migrate asks for a lock that another process holds.
// It polls: a waiting query would hold a snapshot, for which a concurrent index
// build of the other process would wait in turn.
const migrateRetry = 50 * time.Millisecond

// versionTable is goose's.
const versionTable = Schema + ".schema_version"

// Migrate brings the schema, River's tables and the grants up to date. Any
// number of processes may call it at once; one does the work. It needs the right
// to create a schema in the database the first time. Roles that it may not
// create are left out, see Roles. A user who does not own the schema finds it up to date
// or is told to ask its owner.
func (s *Store) Migrate(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) error {
	if done, err := s.migrated(ctx); done || err != nil {
		return err
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if err := lockMigration(ctx, conn.Conn()); err != nil {
		return err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		if _, err := conn.Exec(ctx, `select pg_advisory_unlock($1, 0)`, int32(lockClass)); err != nil {
			_ = conn.Conn().Close(ctx) // a connection that is gone holds no lock
		}
	}()

	applied, newest, err := s.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	if applied > newest {
		return fmt.Errorf("the database has schema %d, this program knows %d; install a newer one", applied, newest)
	}
	// Asked first, because "if not exists" needs the right to create even if
	// there is nothing to do.
	var exists bool
	if err := conn.QueryRow(ctx, `select to_regnamespace($1) is not null`, Schema).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		if _, err := conn.Exec(ctx, `create schema `+Schema); err != nil {
			return err
		}
	}
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	store, err := database.NewStore(database.DialectPostgres, versionTable)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider("", db, migrations.FS, goose.WithStore(store),
		goose.WithSlog(slog.New(slog.DiscardHandler)), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return err
	}
	river, err := rivermigrate.New(riverpgxv5.New(s.pool), &rivermigrate.Config{Schema: Schema, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("river: %w", err)
	}
	return grant(ctx, conn.Conn())
}

// migrated reports whether there is nothing to do for a user who does not own the
// schema. It is an error if there is something.
func (s *Store) migrated(ctx context.Context) (bool, error) {
	var foreign bool
	const query = `select coalesce((select not pg_has_role(current_user, nspowner, 'member') from pg_namespace where nspname = $1), false)`
	if err := s.pool.QueryRow(ctx, query, Schema).Scan(&foreign); err != nil || !foreign {
		return false, err
	}
	applied, newest, err := s.SchemaVersion(ctx)
	if err == nil && applied < newest {
		err = fmt.Errorf("the database has schema %d, this program needs %d: its owner has to run 'deconfound db migrate'", applied, newest)
	}
	return applied == newest, err
}

func lockMigration(ctx context.Context, conn *pgx.Conn) error {
	for {
		var ok bool
		if err := conn.QueryRow(ctx, `select pg_try_advisory_lock($1, 0)`, int32(lockClass)).Scan(&ok); err != nil {
			return err
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(migrateRetry):
		}
	}
}

// SchemaVersion answers the number of the newest migration that has been
// applied, 0 for a database that has none, and the newest that the program has.
func (s *Store) SchemaVersion(ctx context.Context) (applied, newest int64, err error) {
	var exists bool
	if err := s.pool.QueryRow(ctx, `select to_regclass($1) is not null`, versionTable).Scan(&exists); err != nil {
		return 0, 0, fmt.Errorf("read schema version: %w", err)
	}
	if exists {
		err := s.pool.QueryRow(ctx, `select coalesce(max(version_id), 0) from `+versionTable+` where is_applied`).Scan(&applied)
		if err != nil {
			return 0, 0, fmt.Errorf("read schema version: %w", err)
		}
	}
	files, err := migrations.FS.ReadDir(".")
	if err != nil {
		return 0, 0, fmt.Errorf("read schema version: %w", err)
	}
	for _, f := range files {
		v, err := goose.NumericComponent(f.Name())
		if err != nil {
			return 0, 0, fmt.Errorf("read schema version: %w", err)
		}
		newest = max(newest, v)
	}
	return applied, newest, nil
}
