package tracker

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The roles that the schema's privileges are granted to. They belong to the
// whole server, not to one database.
const (
	// AnalystRole may read the views and call the aggregates, nothing else. It is
	// the team's: it sees the sweeps of everybody.
	AnalystRole = "deconfound_analyst"
	// ReaderRole may do the same, and its members see only their own sweeps and
	// those of owners who named them, see Store.AddReader.
	ReaderRole = "deconfound_reader"
	// WorkerRole may do what a worker process does, which includes reading and
	// training the runs of everybody. A server's administrator grants it to the
	// logins of people who train.
	WorkerRole = "deconfound_worker"
)

// analystViews are the views that analyst and readers may read.
var analystViews = []string{"runs", "results", "leaderboard", "paired", "paired_seeds", "pattern_results", "diagnostics", "comparison_diagnostics",
	"metrics", "points", "predictions", "all_predictions", "unit_groups", "sweeps", "events", "decisions", "dataset_audits"}

// createRole makes a role unless it exists. Other databases of the server may
// be doing the same at this moment, hence the handlers.
const createRole = `do $$ begin
	if not exists (select from pg_roles where rolname = '%[1]s') then
		create role %[1]s %[2]s;
	end if;
exception when duplicate_object or unique_violation then null;
end $$`

// grant creates the roles if it may, and grants them their privileges. It is run
// after every migration, so that roles made later by an administrator get
// theirs.
func grant(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, `revoke all on schema `+Schema+` from public`); err != nil {
		return fmt.Errorf("revoke from public: %w", err)
	}
	for role, how := range map[string]string{AnalystRole: "login", ReaderRole: "nologin", WorkerRole: "nologin"} {
		if _, err := conn.Exec(ctx, fmt.Sprintf(createRole, role, how)); err != nil && !insufficientPrivilege(err) {
			return fmt.Errorf("create role %s: %w", role, err)
		}
	}
	roles, err := readRoles(ctx, conn)
	if err != nil {
		return err
	}
	if roles.Worker {
		for _, sql := range []string{
			`grant usage on schema deconfound to deconfound_worker`,
			`grant select, insert, update, delete on all tables in schema deconfound to deconfound_worker`,
			`revoke insert, update, delete on deconfound.schema_version from deconfound_worker`,
			`grant usage, select on all sequences in schema deconfound to deconfound_worker`,
			`grant execute on all functions in schema deconfound to deconfound_worker`,
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("grant to %s: %w", WorkerRole, err)
			}
		}
	}
	if err := reserveLocks(ctx, conn, roles); err != nil {
		return fmt.Errorf("reserve advisory locks: %w", err)
	}
	if roles.Reader {
		if err := grantViews(ctx, conn, ReaderRole); err != nil {
			return fmt.Errorf("grant to %s: %w", ReaderRole, err)
		}
	}
	if roles.Analyst {
		if err := grantAnalyst(ctx, conn); err != nil {
			return fmt.Errorf("grant to %s: %w", AnalystRole, err)
		}
	}
	return nil
}

// grantViews lets a role read what people may rely on, and nothing below it.
func grantViews(ctx context.Context, conn *pgx.Conn, role string) error {
	if _, err := conn.Exec(ctx, `grant usage on schema deconfound to `+role); err != nil {
		return err
	}
	for _, v := range append([]string{"schema_version"}, analystViews...) {
		if _, err := conn.Exec(ctx, `grant select on deconfound.`+v+` to `+role); err != nil {
			return err
		}
	}
	return nil
}

// reserveLocks takes advisory locks from everybody but workers and the owner of the
// database: whoever holds that of a sweep or a worker stops others. It takes a
// superuser; on a server where there is none at hand analysts can still lock.
func reserveLocks(ctx context.Context, conn *pgx.Conn, roles Roles) error {
	var super bool
	if err := conn.QueryRow(ctx, `select rolsuper from pg_roles where rolname = current_user`).Scan(&super); err != nil || !super {
		return err
	}
	to := "select datdba::regrole::text from pg_database where datname = current_database()"
	if roles.Worker {
		to += " union select '" + WorkerRole + "'"
	}
	// Only what is still everybody's: a catalogue that does not change is not written.
	_, err := conn.Exec(ctx, `do $$ declare f regprocedure; r text; begin
		for f in select p.oid from pg_proc p where pronamespace = 'pg_catalog'::regnamespace and proname like 'pg\_%advisory%'
			and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0) loop
			execute format('revoke execute on function %s from public', f);
			for r in `+to+` loop
				execute format('grant execute on function %s to %s', f, r);
			end loop;
		end loop;
	end $$`)
	return err
}

func grantAnalyst(ctx context.Context, conn *pgx.Conn) error {
	if err := grantViews(ctx, conn, AnalystRole); err != nil {
		return err
	}
	// What holds for a login by hand (psql -U deconfound_analyst). A program's
	// connection sets it again, see ReadOnly.
	const defaults = `do $$ begin
		execute format('alter role deconfound_analyst in database %I set search_path = deconfound', current_database());
		execute format('alter role deconfound_analyst in database %I set default_transaction_read_only = on', current_database());
		execute format('alter role deconfound_analyst in database %I set statement_timeout = ''60s''', current_database());
	exception when insufficient_privilege then null;
	end $$`
	_, err := conn.Exec(ctx, defaults)
	return err
}

// Roles says which of the roles exist on the server.
type Roles struct {
	Analyst, Reader, Worker bool
	CanCreate               bool // the database user may create the others
}

// Roles looks for the roles. Without Analyst, ReadOnly falls back to a weaker
// isolation. An administrator makes the missing ones with
// "create role deconfound_analyst login; create role deconfound_reader; create role
// deconfound_worker", and the next Migrate grants them their privileges.
func (s *Store) Roles(ctx context.Context) (Roles, error) {
	return readRoles(ctx, s.pool)
}

func readRoles(ctx context.Context, db querier) (Roles, error) {
	var r Roles
	const query = `select exists (select from pg_roles where rolname = $1), exists (select from pg_roles where rolname = $2), exists (select from pg_roles where rolname = $3),
		(select rolcreaterole or rolsuper from pg_roles where rolname = current_user)`
	if err := db.QueryRow(ctx, query, AnalystRole, ReaderRole, WorkerRole).Scan(&r.Analyst, &r.Reader, &r.Worker, &r.CanCreate); err != nil {
		return Roles{}, fmt.Errorf("read roles: %w", err)
	}
	return r, nil
}

func insufficientPrivilege(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "42501"
}
