package tracker_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

func TestUpsertSweep(t *testing.T) {
	b := setup(t)
	if !b.sweep.Created || !b.sweep.Changed || b.sweep.Revision != 1 {
		t.Errorf("first time: got %+v", b.sweep)
	}
	upsert := func(spec tracker.SweepSpec) tracker.Sweep {
		return inTx(b, func(ctx context.Context, tx pgx.Tx) (tracker.Sweep, error) { return b.store.UpsertSweep(ctx, tx, spec) })
	}
	again := upsert(tracker.SweepSpec{Name: "s", TOML: "version = 1", Baseline: "erm"})
	if again.ID != b.sweep.ID || again.Created || again.Changed || again.Revision != 1 {
		t.Errorf("same file: got %+v", again)
	}
	changed := upsert(tracker.SweepSpec{Name: "s", TOML: "version = 1 # more", Baseline: "erm"})
	if changed.ID != b.sweep.ID || changed.Created || !changed.Changed || changed.AnalysisChanged || changed.Revision != 2 {
		t.Errorf("changed file: got %+v", changed)
	}
	analysis := upsert(tracker.SweepSpec{Name: "s", TOML: "version = 1 # more", Analysis: []byte("tests"), Baseline: "db"})
	if !analysis.Changed || !analysis.AnalysisChanged || analysis.Revision != 3 {
		t.Errorf("changed analysis: got %+v", analysis)
	}
	other := upsert(tracker.SweepSpec{Owner: "somebody", Name: "s", TOML: "x"})
	if other.ID == b.sweep.ID || !other.Created {
		t.Errorf("other owner: got %+v", other)
	}

	got, err := b.store.Sweep(t.Context(), "", "s")
	if err != nil || got.ID != b.sweep.ID || got.Revision != 3 || got.Baseline != "db" || got.TOML != "version = 1 # more" || !got.AnalysisAmended {
		t.Errorf("find: got %+v, %v", got, err)
	}
	upsert(tracker.SweepSpec{Name: "s", TOML: "version = 1 # as it was", Baseline: "db"})
	if got, err := b.store.Sweep(t.Context(), "", "s"); err != nil || got.AnalysisAmended {
		t.Errorf("with the first analysis again: got %+v, %v", got, err)
	}
	if got, err := b.store.SweepByID(t.Context(), other.ID); err != nil || got.Owner != "somebody" {
		t.Errorf("find by id: got %+v, %v", got, err)
	}
	_, err = b.store.Sweep(t.Context(), "", "nothing")
	wantErr(t, err, tracker.ErrNotFound)
	_, err = b.store.SweepByID(t.Context(), 999)
	wantErr(t, err, tracker.ErrNotFound)
	upsert(tracker.SweepSpec{Owner: "x", Name: "shared", TOML: "x"})
	if got, err := b.store.Sweep(t.Context(), "", "shared"); err != nil || got.Owner != "x" {
		t.Errorf("only one of another owner: got %+v, %v", got, err)
	}
	upsert(tracker.SweepSpec{Owner: "y", Name: "shared", TOML: "x"})
	if _, err := b.store.Sweep(t.Context(), "", "shared"); err == nil {
		t.Error("two of other owners: got no error")
	}
}

func TestPlanRuns(t *testing.T) {
	b := setup(t)
	first := b.plan(true, planned(1), planned(2), planned(2))
	if len(first) != 2 || first[0].State != tracker.Queued || first[0].Fence != 1 || first[0].Dataset != "d" || first[0].Priority != 2 {
		t.Fatalf("first plan: got %+v", first)
	}
	if again := b.plan(true, planned(2), planned(1)); len(again) != 0 {
		t.Errorf("same plan: got %+v, want none", again)
	}
	if more := b.plan(false, planned(3)); len(more) != 1 || more[0].ID != first[1].ID+1 {
		t.Errorf("partial plan: got %+v, want one, with the number after %d", more, first[1].ID)
	}
	running := b.claim(first[0])

	// A full plan without 1 and 2: the one that waits is cancelled, the other
	// ends with its slice.
	b.plan(true, planned(3))
	b.wantState(first[0].ID, tracker.Running)
	b.wantState(first[1].ID, tracker.Cancelled)
	next, err := b.slice(running, tracker.Slice{Epoch: 1, Checkpoint: []byte("c")})
	if err != nil || next.State != tracker.Cancelled || next.Enqueue() {
		t.Errorf("slice of a dropped run: got %+v, %v", next, err)
	}
	if r := b.run(first[0].ID); r.Planned || r.EndedAt == nil {
		t.Errorf("dropped run: got %+v", r)
	}

	// Wanted again, both wait again under a new fence.
	back := b.plan(true, planned(1), planned(2), planned(3))
	if len(back) != 2 {
		t.Fatalf("wanted again: got %+v, want two", back)
	}
	for i, r := range back {
		if r.State != tracker.Queued || !r.Planned || r.Fence <= first[i].Fence || r.EndedAt != nil {
			t.Errorf("wanted again: got %+v", r)
		}
	}
	if l := b.claim(back[0]); string(l.Checkpoint) != "c" || l.Epoch != 1 {
		t.Errorf("wanted again: got checkpoint %q of epoch %d", l.Checkpoint, l.Epoch)
	}
	_, err = b.store.Claim(t.Context(), first[1].ID, first[1].Fence, b.worker)
	wantErr(t, err, tracker.ErrStale)
}

func TestPlanRuns_Refuses(t *testing.T) {
	b := setup(t)
	bad := func(p tracker.PlannedRun) error {
		return b.store.InTx(t.Context(), func(tx pgx.Tx) error {
			_, err := b.store.PlanRuns(t.Context(), tx, b.sweep.ID, []tracker.PlannedRun{p}, false)
			return err
		})
	}
	noData := planned(1)
	noData.DatasetHash = ""
	short := planned(1)
	short.Hash = []byte("short")
	noSeed := planned(1)
	noSeed.Phase = tracker.Replicate
	for name, p := range map[string]tracker.PlannedRun{"no dataset hash": noData, "short hash": short, "replicate without number": noSeed} {
		if bad(p) == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	err := b.store.InTx(t.Context(), func(tx pgx.Tx) error {
		_, err := b.store.PlanRuns(t.Context(), tx, 999, nil, false)
		return err
	})
	wantErr(t, err, tracker.ErrNotFound)
}

func TestRuns_Filter(t *testing.T) {
	b := setup(t)
	b.plan(true, planned(1), replicate(2, 0, "md"), replicate(3, 1, "md"))
	yes := true
	for name, c := range map[string]struct {
		filter tracker.RunFilter
		want   int
	}{
		"all":       {tracker.RunFilter{}, 3},
		"sweep":     {tracker.RunFilter{SweepID: b.sweep.ID}, 3},
		"no sweep":  {tracker.RunFilter{SweepID: 999}, 0},
		"phase":     {tracker.RunFilter{Phase: tracker.Replicate}, 2},
		"variant":   {tracker.RunFilter{Variant: "erm"}, 1},
		"backbone":  {tracker.RunFilter{Backbone: "none"}, 0},
		"states":    {tracker.RunFilter{States: []tracker.State{tracker.Done, tracker.Queued}}, 3},
		"done":      {tracker.RunFilter{States: []tracker.State{tracker.Done}}, 0},
		"planned":   {tracker.RunFilter{Planned: &yes}, 3},
		"empty IDs": {tracker.RunFilter{IDs: []int64{}}, 0},
	} {
		if got, err := b.store.Runs(t.Context(), c.filter); err != nil || len(got) != c.want {
			t.Errorf("%s: got %d runs, %v; want %d", name, len(got), err, c.want)
		}
	}
	_, err := b.store.Run(t.Context(), 999)
	wantErr(t, err, tracker.ErrNotFound)
	sweeps, err := b.store.Sweeps(t.Context())
	if err != nil || len(sweeps) != 1 || sweeps[0].Counts[tracker.Replicate][tracker.Queued] != 2 || sweeps[0].Counts[tracker.Search][tracker.Queued] != 1 {
		t.Errorf("sweeps: got %+v, %v", sweeps, err)
	}
}

func TestDeleteSweep(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	m := tracker.Metric{Name: "loss"}
	err := b.finish(l, tracker.Outcome{Metrics: map[tracker.Metric]float64{m: 1}, Points: []tracker.Point{{Step: 1, Values: map[tracker.Metric]float64{m: 1}}},
		Predictions: []tracker.Prediction{{TestSet: "id", Unit: 1, Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	inTx(b, func(ctx context.Context, tx pgx.Tx) (int64, error) { return b.store.DeleteSweep(ctx, tx, b.sweep.ID) })
	for _, table := range []string{"run", "point", "summary", "result", "prediction", "run_event", "sweep_revision"} {
		if got := b.rows(`select count(*) from ` + table); got != "0\n" {
			t.Errorf("%s: got %s rows, want 0", table, got)
		}
	}
	err = b.store.InTx(t.Context(), func(tx pgx.Tx) error {
		_, err := b.store.DeleteSweep(t.Context(), tx, b.sweep.ID)
		return err
	})
	wantErr(t, err, tracker.ErrNotFound)
	wantErr(t, b.store.AppendPoints(t.Context(), l, []tracker.Point{{Step: 1}}), tracker.ErrFenced)
}
