package tracker_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		// trackertest leaves its cluster to the end of the process, and with it
		// the goroutine that waits for the supervisor.
		err := goleak.Find(goleak.IgnoreAnyFunction("github.com/deconfound/deconfound/tracker/pglocal.(*Cluster).spawn.func1"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// bundle is a sweep with runs, and a worker.
type bundle struct {
	*testing.T
	store  *tracker.Store
	sweep  tracker.Sweep
	worker *tracker.Worker
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{T: t, store: trackertest.New(t)}
	b.tx(func(tx pgx.Tx) error {
		var err error
		b.sweep, err = b.store.UpsertSweep(t.Context(), tx, tracker.SweepSpec{Name: "s", TOML: "version = 1", Baseline: "erm"})
		return err
	})
	b.worker = b.register("w")
	return b
}

func (b *bundle) register(name string) *tracker.Worker {
	b.Helper()
	w, err := b.store.RegisterWorker(b.Context(), name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.Close)
	return w
}

func (b *bundle) tx(f func(tx pgx.Tx) error) {
	b.Helper()
	if err := b.store.InTx(b.Context(), f); err != nil {
		b.Fatal(err)
	}
}

// planned is a run of the search phase; n tells it from others.
func planned(n int) tracker.PlannedRun {
	h := sha256.Sum256([]byte{byte(n), byte(n >> 8)})
	return tracker.PlannedRun{Hash: h[:], Dataset: "d", DatasetHash: "dh", Backbone: "concat", BackboneHash: "bh", Variant: "erm",
		Phase: tracker.Search, Trial: n, SplitSeed: int64(n), InitSeed: int64(n), Epochs: 3}
}

func replicate(n, seed int, variant string) tracker.PlannedRun {
	p := planned(n)
	p.Phase, p.Replicate, p.Variant = tracker.Replicate, &seed, variant
	return p
}

func (b *bundle) plan(full bool, runs ...tracker.PlannedRun) []tracker.Run {
	b.Helper()
	var out []tracker.Run
	b.tx(func(tx pgx.Tx) error {
		var err error
		out, err = b.store.PlanRuns(b.Context(), tx, b.sweep.ID, runs, full)
		return err
	})
	return out
}

func (b *bundle) claim(run tracker.Run) tracker.Lease {
	b.Helper()
	l, err := b.store.Claim(b.Context(), run.ID, run.Fence, b.worker)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// lease plans and claims one run.
func (b *bundle) lease(n int) tracker.Lease {
	b.Helper()
	return b.claim(b.plan(false, planned(n))[0])
}

func (b *bundle) run(id int64) tracker.Run {
	b.Helper()
	r, err := b.store.Run(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func (b *bundle) wantState(id int64, want tracker.State) {
	b.Helper()
	if got := b.run(id).State; got != want {
		b.Errorf("run %d: got state %s, want %s", id, got, want)
	}
}

func (b *bundle) slice(l tracker.Lease, s tracker.Slice) (tracker.Next, error) {
	var next tracker.Next
	err := b.store.InTx(b.Context(), func(tx pgx.Tx) error {
		var err error
		next, err = b.store.CommitSlice(b.Context(), tx, l, s)
		return err
	})
	return next, err
}

func (b *bundle) finish(l tracker.Lease, o tracker.Outcome) error {
	return b.store.InTx(b.Context(), func(tx pgx.Tx) error { return b.store.Finish(b.Context(), tx, l, o) })
}

func (b *bundle) fail(l tracker.Lease, f tracker.Failure) (tracker.Next, error) {
	var next tracker.Next
	err := b.store.InTx(b.Context(), func(tx pgx.Tx) error {
		var err error
		next, err = b.store.Fail(b.Context(), tx, l, f)
		return err
	})
	return next, err
}

// inTx adapts a method that takes a transaction.
func inTx[T any](b *bundle, f func(ctx context.Context, tx pgx.Tx) (T, error)) T {
	b.Helper()
	var out T
	b.tx(func(tx pgx.Tx) error {
		var err error
		out, err = f(b.Context(), tx)
		return err
	})
	return out
}

// rows prints the answer to a query, for comparison.
func (b *bundle) rows(sql string, args ...any) string {
	b.Helper()
	rows, err := b.store.Pool().Query(b.Context(), sql, args...)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	var out bytes.Buffer
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintln(&out, values...)
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
	return out.String()
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// finishWith ends a run with a test AUROC and what goes with it.
func (b *bundle) finishWith(l tracker.Lease, v float64) {
	b.Helper()
	pattern := func(name string) tracker.Metric {
		return tracker.Metric{Name: name, Split: "test", Group: "pattern", Level: "base+lipid"}
	}
	err := b.finish(l, tracker.Outcome{
		Metrics: map[tracker.Metric]float64{{Name: "auroc", Split: "test"}: v, {Name: "log_loss", Split: "test"}: v,
			pattern("auroc"): v, pattern("patients"): 40, pattern("events"): 4},
		Points: []tracker.Point{{Step: 1, Values: map[tracker.Metric]float64{{Name: "loss", Split: "train"}: 0.5}}},
	})
	if err != nil {
		b.Fatal(err)
	}
}
