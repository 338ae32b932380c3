package sweeps

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/pglocal"
)

// A private server that is killed in the middle of a slice comes back by
// Reconnect, and the sweep ends as if nothing had happened.
func TestRun_SurvivesKilledServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a cluster of its own")
	}
	if _, _, err := pglocal.Installed(); err != nil {
		t.Skip(err)
	}
	ctx := deadline(t)
	dir, err := os.MkdirTemp("", "deconfound-kill") // t.TempDir cannot be entered by another user
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	cluster, err := pglocal.Open(ctx, pglocal.Config{Dir: dir, Temporary: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	// A temporary cluster may forget commits when it is killed; a real one may not.
	conn, err := pgx.Connect(ctx, cluster.DSN())
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(ctx, `alter database `+pglocal.Database+` set synchronous_commit = on`)
	conn.Close(ctx)
	if err != nil {
		t.Fatal(err)
	}
	store, err := tracker.Open(ctx, cluster.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if err := store.Migrate(ctx); err != nil {
		t.Fatal(err)
	}

	var slices atomic.Int64
	tr := &trainer{perSlice: 2, before: func(ctx context.Context, _ RunSpec, _ int, _ Recorder) error {
		if slices.Add(1) != 2 {
			return nil
		}
		var file string
		if err := store.Pool().QueryRow(ctx, `select pg_read_file('postmaster.pid')`).Scan(&file); err != nil {
			return err
		}
		line, _, _ := strings.Cut(file, "\n")
		pid, err := strconv.Atoi(line)
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}}
	opts := quick(1)
	opts.Reconnect = cluster.Ensure
	status := mustRun(t, store, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]")), tr.run, opts)
	if status.Done != 2 {
		t.Errorf("got %+v", status)
	}
	for _, r := range runs(t, store, status.ID) {
		if r.State != tracker.Done || r.Attempt != 1 {
			t.Errorf("run %d: got %s in attempt %d, want done in attempt 1", r.ID, r.State, r.Attempt)
		}
	}
}
