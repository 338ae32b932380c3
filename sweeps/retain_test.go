package sweeps

import (
	"testing"

	"github.com/deconfound/deconfound/tracker/trackertest"
)

// A worker removes by itself what is no longer kept, and the comparison stays what it
// was.
func TestWork_Retains(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	tr := &trainer{}
	if s := mustRun(t, store, compile(t, single), tr.run, quick(1)); s.Done != 1 {
		t.Fatalf("got %+v", s)
	}
	count := func(query string) (n int) {
		t.Helper()
		if err := store.Pool().QueryRow(ctx, query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	points, results := count(`select count(*) from point`), count(`select count(*) from result`)
	if points == 0 || results == 0 {
		t.Fatalf("got %d points and %d results", points, results)
	}
	month := 30
	if err := store.SetRetention(ctx, "points", 0, &month); err != nil {
		t.Fatal(err)
	}
	other := compile(t, edit(t, single, `name = "single"`, `name = "other"`))
	mustRun(t, store, other, tr.run, quick(1))
	if n := count(`select count(*) from point`); n != 2*points {
		t.Errorf("%d points are left of sweeps that have just ended, want %d", n, 2*points)
	}
	if _, err := store.Pool().Exec(ctx, `update run set ended_at = now() - interval '31 days'`); err != nil {
		t.Fatal(err)
	}
	mustRun(t, store, other, tr.run, quick(1)) // nothing to train
	p := newProcess(store, nil, quick(1))
	p.retain(ctx)
	if n := count(`select count(*) from point`); n != 0 {
		t.Errorf("%d points are left after a month", n)
	}
	if n := count(`select count(*) from result`); n != 2*results {
		t.Errorf("%d results are left, want %d", n, 2*results)
	}
	if n := count(`select count(*) from removal`); n != 2 {
		t.Errorf("%d removals are on record, want 2", n)
	}
}
