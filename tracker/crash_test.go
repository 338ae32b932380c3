package tracker_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/pglocal"
)

// TestServerKilled kills the server between two writes of a run. What was
// committed is there afterwards, the same store goes on, and so does the worker.
func TestServerKilled(t *testing.T) {
	if _, _, err := pglocal.Installed(); err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "dctracker")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	cluster, err := pglocal.Open(t.Context(), pglocal.Config{Dir: dir, Temporary: true})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	store, err := tracker.Open(t.Context(), cluster.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &bundle{T: t, store: store}
	b.tx(func(tx pgx.Tx) error {
		b.sweep, err = store.UpsertSweep(t.Context(), tx, tracker.SweepSpec{Name: "s", TOML: "x"})
		return err
	})
	if b.worker, err = store.RegisterWorker(t.Context(), "w"); err != nil {
		t.Fatal(err)
	}
	defer b.worker.Close()
	l := b.lease(1)
	points := []tracker.Point{point(1, 3), point(2, 2)}
	if err := store.AppendPoints(t.Context(), l, points); err != nil {
		t.Fatal(err)
	}

	pid, err := os.ReadFile(filepath.Join(filepath.Dir(cluster.LogPath()), "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	postmaster, err := strconv.Atoi(strings.SplitN(string(pid), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.eventually("the worker notices", func() bool { return !b.worker.Held() })
	b.eventually("the store writes again", func() bool {
		if err := cluster.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The first writes find dead connections in the pool. Sending the points
		// again is harmless.
		return store.AppendPoints(t.Context(), l, append(points, point(3, 1))) == nil
	})
	b.eventually("the worker is back", b.worker.Held)
	if got := b.reap(); len(got) != 0 {
		t.Errorf("got %+v reaped", got)
	}
	summary, err := store.Summary(t.Context(), l.Run.ID)
	if want := (tracker.Summary{N: 3, LastStep: 3, Last: 1, Min: 1, Max: 3}); err != nil || summary[loss] != want {
		t.Errorf("got summary %+v, %v; want %+v", summary[loss], err, want)
	}
	if err := b.finish(l, tracker.Outcome{Epoch: 3}); err != nil {
		t.Error(err)
	}
}
