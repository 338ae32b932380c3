package tracker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// QueryTimeout ends a query of ReadOnly, by default.
const QueryTimeout = 60 * time.Second

// timeoutSlack is what the server is given to end a statement by itself, which
// leaves the connection usable.
const timeoutSlack = 5 * time.Second

// maxRow is the size of the largest row that is read, in bytes. A query could ask
// for values of a gigabyte, of which each takes several times that in memory.
const maxRow = 16 << 20

// Isolation says what keeps a user's SQL from writing.
type Isolation string

// The isolations of ReadOnly, the strongest first.
const (
	// LoginIsolation: the connection logged in as the analyst. Nothing that is
	// sent over it can gain a right that the analyst does not have.
	LoginIsolation Isolation = "login"
	// RoleIsolation: the connection logged in as the store's user and took the
	// analyst's role. It stops mistakes. It does not stop somebody who wants to
	// get out, which is no loss where the person at the keyboard holds the
	// store's DSN anyway; a server for others must insist on LoginIsolation.
	RoleIsolation Isolation = "role"
	// TransactionIsolation: there is no analyst role, only a transaction that is
	// read-only.
	TransactionIsolation Isolation = "transaction"
)

// ReadOnly runs SQL that users wrote: one statement at a time, in a read-only
// transaction that is rolled back, with a timeout. It is one connection and
// serves one query at a time.
type ReadOnly struct {
	Isolation Isolation
	Timeout   time.Duration // of one query; QueryTimeout unless changed
	conn      *pgx.Conn
}

// ReadOnly opens a connection for SQL of users. It tries to log in as the
// analyst, with WithAnalystDSN or else by the store's own DSN with the user
// replaced, which works on a private cluster and wherever no password is asked
// for; then it falls back, see Isolation. A store whose user is a reader keeps the
// user, who may read no more than that. The caller closes it.
func (s *Store) ReadOnly(ctx context.Context) (*ReadOnly, error) {
	analyst := s.pool.Config().ConnConfig.Copy()
	reader, err := s.reader(ctx)
	if err != nil {
		return nil, fmt.Errorf("open read-only connection: %w", err)
	}
	if s.analystDSN != "" {
		var err error
		if analyst, err = pgx.ParseConfig(s.analystDSN); err != nil {
			return nil, fmt.Errorf("open read-only connection: %w", err)
		}
	} else if !reader {
		analyst.User, analyst.Password = AnalystRole, ""
	}
	conn, err := openAnalyst(ctx, analyst)
	if err == nil {
		return &ReadOnly{Isolation: LoginIsolation, Timeout: QueryTimeout, conn: conn}, nil
	}
	if s.analystDSN != "" || reader {
		return nil, fmt.Errorf("open read-only connection: %w", err)
	}
	conn, err = openAnalyst(ctx, s.pool.Config().ConnConfig.Copy())
	if err != nil {
		return nil, fmt.Errorf("open read-only connection: %w", err)
	}
	isolation := RoleIsolation
	if _, err := conn.Exec(ctx, `set role `+AnalystRole); err != nil {
		isolation = TransactionIsolation
	}
	return &ReadOnly{Isolation: isolation, Timeout: QueryTimeout, conn: conn}, nil
}

// reader says whether the store's user may read views, of some sweeps, and nothing else.
func (s *Store) reader(ctx context.Context) (bool, error) {
	const query = `select coalesce(pg_has_role(current_user, to_regrole($1), 'member'), false) and not sees_all()`
	var is bool
	err := s.pool.QueryRow(ctx, query, ReaderRole).Scan(&is)
	return is, err
}

func openAnalyst(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	config.RuntimeParams["search_path"] = Schema
	config.RuntimeParams["application_name"] = "deconfound sql"
	config.RuntimeParams["default_transaction_read_only"] = "on"
	config.RuntimeParams["statement_timeout"] = fmt.Sprint(QueryTimeout.Milliseconds())
	// A result's types are not known before: describe each statement, keep none.
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	conn.PgConn().Frontend().SetMaxBodyLen(maxRow)
	return conn, nil
}

// Query runs one statement and hands its rows to f, in a transaction of its own.
// The rows are closed when Query returns.
func (r *ReadOnly) Query(ctx context.Context, sql string, f func(rows pgx.Rows) error) (err error) {
	parent := ctx
	// The server ends the statement; what it does not end, the context does.
	ctx, cancel := context.WithTimeout(ctx, r.Timeout+timeoutSlack)
	defer cancel()
	defer func() {
		var e *pgconn.PgError
		canceled := errors.As(err, &e) && e.Code == "57014"
		if err != nil && parent.Err() == nil && (canceled || ctx.Err() != nil) {
			err = fmt.Errorf("query: ended after %v, the limit of read-only queries: %w", r.Timeout, err)
		}
	}()
	tx, err := r.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	// An earlier statement may have changed the session's settings.
	const settings = `select set_config('search_path', $1, true), set_config('statement_timeout', $2, true)`
	if _, err := tx.Exec(ctx, settings, Schema, fmt.Sprint(r.Timeout.Milliseconds())); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	if err := f(rows); err != nil {
		return err
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	return nil
}

// Closed says whether the connection is lost, as after an answer that was cut.
func (r *ReadOnly) Closed() bool { return r.conn.IsClosed() }

// Close closes the connection.
func (r *ReadOnly) Close(ctx context.Context) error { return r.conn.Close(ctx) }
