package tracker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema is the PostgreSQL schema that holds the tracker's tables and River's.
// A River client needs it in its Config.Schema.
const Schema = "deconfound"

// idleLimit is PostgreSQL's setting of how long a transaction may wait for its
// client, and idleDefault the store's: a process that is stopped, or cut off, within
// a transaction keeps others waiting for so long.
const (
	idleLimit   = "idle_in_transaction_session_timeout"
	idleDefault = 8 * time.Second
)

// planningPerRun is how much longer, for each run of a sweep, the transaction may
// wait for its client that looks what the sweep needs next, fifty times what
// that takes.
const planningPerRun = 5 * time.Millisecond

// plans lets the transaction wait longer for its client, which plans a sweep of so
// many runs.
func plans(ctx context.Context, tx pgx.Tx, runs int) error {
	limit := idleDefault + time.Duration(runs)*planningPerRun
	_, err := tx.Exec(ctx, `select set_config($1, $2, true)`, idleLimit, strconv.FormatInt(limit.Milliseconds(), 10))
	return err
}

// Store is a connection pool to one tracker database. It is safe for use by
// many goroutines at once.
type Store struct {
	Reader
	pool       *pgxpool.Pool
	dict       *dictionary
	dsn        string
	analystDSN string
	contents   contents
	mayCopy    atomic.Int32 // see copies
}

// Option changes how Open connects.
type Option func(*Store)

// WithAnalystDSN names a DSN that logs in as the role deconfound_analyst. It is
// needed where that role has a password of its own; see Store.ReadOnly.
func WithAnalystDSN(dsn string) Option {
	return func(s *Store) { s.analystDSN = dsn }
}

// Open connects to the database that dsn names (a libpq URL or keyword string).
// It does not create or change anything; see Migrate. The caller closes it.
func Open(ctx context.Context, dsn string, options ...Option) (*Store, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("open tracker: %w", err)
	}
	config.ConnConfig.RuntimeParams["search_path"] = Schema
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "deconfound"
	}
	if config.ConnConfig.RuntimeParams[idleLimit] == "" {
		config.ConnConfig.RuntimeParams[idleLimit] = strconv.FormatInt(idleDefault.Milliseconds(), 10)
	}
	// A link that is cut must be noticed, whatever waits on it: without this a
	// connection attempt, or an answer, is waited for until the kernel gives up,
	// which takes a quarter of an hour.
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.ConnConfig.DialFunc = dialer.DialContext
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open tracker: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open tracker: %w", err)
	}
	// The dictionary writes outside the callers' transactions; from the same
	// pool it could wait for ever for a connection that they hold.
	small := config.Copy()
	small.MaxConns = 1
	small.MinConns = 0
	dictPool, err := pgxpool.NewWithConfig(ctx, small)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open tracker: %w", err)
	}
	s := &Store{Reader: Reader{db: pool}, pool: pool, dict: newDictionary(dictPool), dsn: dsn}
	for _, o := range options {
		o(s)
	}
	return s, nil
}

// Pool is the store's connection pool, for River. The store keeps owning it.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// DSN is what Open was called with.
func (s *Store) DSN() string { return s.dsn }

// Close waits for connections that are in use and closes them all.
func (s *Store) Close() {
	_ = s.contents.close() // whatever was written is there
	s.dict.pool.Close()
	s.pool.Close()
}

// InTx runs f in a transaction and commits it if f answers nil. When
// PostgreSQL aborts it because of a deadlock or a serialization failure, f runs
// again in a new transaction, at most three times in all.
func (s *Store) InTx(ctx context.Context, f func(tx pgx.Tx) error) error {
	return retried(func() error { return pgx.BeginFunc(ctx, s.pool, f) })
}

// retried calls f, which is a transaction, and does so again as long as PostgreSQL
// aborts it for no fault of its own, at most three times in all.
func retried(f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		if attempt < 3 && retryable(err) {
			continue
		}
		return err
	}
}

// retryable says whether PostgreSQL aborted the transaction for no fault of its
// own: 40001 serialization_failure, 40P01 deadlock_detected.
func retryable(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

// querier is what a pool and a transaction have in common.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Reader reads runs and measurements.
type Reader struct{ db querier }

// Aside reads over a connection of its own. A caller that holds a transaction of the
// store could wait for ever for another of its connections, which others in the same
// place hold.
func (s *Store) Aside() Reader { return Reader{db: s.dict.pool} }

// In reads through a transaction, so that its own writes are seen.
func (s *Store) In(tx pgx.Tx) Reader { return Reader{db: tx} }
