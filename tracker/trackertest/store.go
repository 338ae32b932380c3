package trackertest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/migrations"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/pglocal"
)

// DSNVariable names a server to use instead of a private cluster. Its user must
// be allowed to create databases.
const DSNVariable = "DECONFOUND_TEST_DSN"

// server is what all tests of a process share.
type server struct {
	config   *pgx.ConnConfig // of the maintenance database
	template string
	cluster  *pglocal.Cluster // held on to for its lock; nil with a given server
	skip     string           // why there is no server
	err      error
}

// shared is never closed: the private cluster ends and is deleted when the test
// process is gone.
var shared = sync.OnceValue(func() server {
	var s server
	ctx := context.Background()
	dsn := os.Getenv(DSNVariable)
	if dsn == "" {
		if _, _, err := pglocal.Installed(); err != nil {
			return server{skip: err.Error()}
		}
		dir, err := os.MkdirTemp("", "deconfound-test")
		if err != nil {
			return server{err: err}
		}
		if err := os.Chmod(dir, 0o711); err != nil {
			return server{err: err}
		}
		cluster, err := pglocal.Open(ctx, pglocal.Config{Dir: dir, Temporary: true})
		if err != nil {
			return server{err: err}
		}
		s.cluster, dsn = cluster, cluster.DSN()
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return server{err: err}
	}
	s.config = config
	s.template, s.err = makeTemplate(ctx, config)
	return s
})

var counter atomic.Int64

// New gives the test a database that is migrated and empty, and drops it at the
// test's end. Without a PostgreSQL on the machine the test is skipped.
func New(t testing.TB) *tracker.Store {
	t.Helper()
	s := shared()
	if s.skip != "" {
		t.Skip("tests with a database: " + s.skip)
	}
	if s.err != nil {
		t.Fatalf("start test database: %v", s.err)
	}
	ctx := context.Background()
	name := fmt.Sprintf("deconfound_test_%d_%d", os.Getpid(), counter.Add(1))
	if err := maintain(ctx, s.config, `create database `+name+` template `+s.template); err != nil {
		t.Fatalf("make test database: %v", err)
	}
	t.Cleanup(func() {
		if err := maintain(ctx, s.config, `drop database `+name+` with (force)`); err != nil {
			t.Errorf("drop test database: %v", err)
		}
	})
	store, err := tracker.Open(ctx, dsn(s.config, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// makeTemplate migrates the database that all others are copies of. On a shared
// server its name has the hash of the migrations, so it is made once.
func makeTemplate(ctx context.Context, config *pgx.ConnConfig) (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(migrations.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := migrations.FS.ReadFile(path)
		hash.Write(b)
		return err
	})
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("deconfound_template_%x", hash.Sum(nil)[:6])
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	// Held until the connection closes.
	if _, err := conn.Exec(ctx, `select pg_advisory_lock(hashtext($1))`, name); err != nil {
		return "", err
	}
	var marked bool
	err = conn.QueryRow(ctx, `select coalesce(shobj_description(oid, 'pg_database') = 'migrated', false) from pg_database where datname = $1`, name).Scan(&marked)
	if marked {
		return name, nil
	}
	if err == nil { // a process died while it was making it
		_, err = conn.Exec(ctx, `drop database `+name+` with (force)`)
	} else if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	if err != nil {
		return "", err
	}
	if _, err := conn.Exec(ctx, `create database `+name); err != nil {
		return "", err
	}
	store, err := tracker.Open(ctx, dsn(config, name))
	if err != nil {
		return "", err
	}
	err = store.Migrate(ctx)
	store.Close()
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, `comment on database `+name+` is 'migrated'`)
	return name, err
}

func maintain(ctx context.Context, config *pgx.ConnConfig, sql string) error {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// dsn names another database of the same server, as the same user.
func dsn(config *pgx.ConnConfig, database string) string {
	s := fmt.Sprintf("host='%s' port=%d user='%s' dbname=%s", config.Host, config.Port, config.User, database)
	if config.Password != "" {
		s += fmt.Sprintf(" password='%s'", config.Password)
	}
	if config.TLSConfig == nil {
		s += " sslmode=disable"
	}
	return s
}
