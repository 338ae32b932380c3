package tracker_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/deconfound/deconfound/tracker"
)

// compared are what comparisons are made of, and what is shown of curves without
// their points.
const compared = `select (select string_agg(x::text, ';' order by x::text) from result x), (select string_agg(x::text, ';' order by x::text) from summary x),
	(select string_agg(x::text, ';' order by x::text) from prediction x), (select string_agg(x::text, ';' order by x::text) from diagnostic x),
	(select string_agg(x::text, ';' order by x::text) from comparison x), (select string_agg(x::text, ';' order by x::text) from kept_comparison x),
	(select string_agg(error_message, ';' order by run_id) from run)`

// Owners say how long what is kept; any worker removes it then, of the sweeps that
// ended so long ago, and leaves what comparisons are made of. What was removed is on
// record.
func TestRetain(t *testing.T) {
	b := setup(t)
	b.rows(`delete from sweep`)
	login := b.logins("alice", tracker.WorkerRole, "bob", tracker.WorkerRole, "walter", tracker.WorkerRole)
	alice, bob, walter := b.as(login["alice"]), b.as(login["bob"]), b.as(login["walter"])
	walter.worker = walter.register("walter")
	b.record("alices", alice, walter)
	b.record("bobs", bob, walter)
	b.rows(`delete from retention`)
	b.rows(`delete from removal`)
	b.rows(`update run set state = 'cancelled', ended_at = now() where state = 'queued' and sweep_id in (select sweep_id from sweep where name = 'alices')`)
	b.rows(`insert into artifact (run_id, path, kind, sha256) select (select min(run_id) from run r where r.sweep_id = s.sweep_id), 'weights', 'model', (select sha256 from blob order by 1 limit 1) from sweep s`)
	sweep, err := b.store.Sweep(t.Context(), "", "alices")
	if err != nil {
		t.Fatal(err)
	}
	left := func() string {
		t.Helper()
		return b.rows(`select s.name, (select count(*) from run r join point p using (run_id) where r.sweep_id = s.sweep_id),
			(select count(*) from run r where r.sweep_id = s.sweep_id and error_log <> ''),
			(select count(*) from run r join artifact a using (run_id) where r.sweep_id = s.sweep_id and kind = 'log'),
			(select count(*) from run r join artifact a using (run_id) where r.sweep_id = s.sweep_id and kind <> 'log') from sweep s order by 1`)
	}
	retain := func(what ...string) {
		t.Helper()
		freed, err := walter.store.Retain(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range what {
			if freed[w] <= 0 {
				t.Errorf("nothing was freed of %s", w)
			}
		}
		if len(freed) != len(what) {
			t.Errorf("got %v, want %v", freed, what)
		}
	}
	set := func(who *bundle, what string, sweep int64, days int) {
		t.Helper()
		limit := &days
		if days == 0 {
			limit = nil
		}
		if err := who.store.SetRetention(t.Context(), what, sweep, limit); err != nil {
			t.Fatal(err)
		}
	}
	all, before := left(), b.rows(compared)

	retain() // without settings everything is kept
	set(alice, "points", 0, 30)
	set(bob, "points", 0, 30)
	retain() // not so old
	b.rows(`update run set ended_at = now() - interval '40 days' where ended_at is not null`)
	set(alice, "points", sweep.ID, 0)
	retain() // alice's is kept for ever, of bob's a run waits
	if got := left(); got != all {
		t.Errorf("got\n%swant\n%s", got, all)
	}
	wantErr(t, bob.store.SetRetention(t.Context(), "logs", sweep.ID, nil), tracker.ErrNotOwner)
	if err := bob.store.DropRetention(t.Context(), "points", sweep.ID); err != nil { // not his
		t.Fatal(err)
	}
	retain()
	if err := alice.store.DropRetention(t.Context(), "points", sweep.ID); err != nil {
		t.Fatal(err)
	}
	set(alice, "logs", sweep.ID, 39)
	retain("points", "logs")
	if got, want := left(), "alices 0 0 0 1\nbobs 300 4 1 1\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	set(alice, "artifacts", 0, 41)
	retain()
	set(alice, "artifacts", 0, 1)
	retain("artifacts")
	b.rows(`update run set state = 'cancelled', ended_at = now() - interval '40 days' where state = 'queued'`)
	retain("points") // bob's has ended
	retain()
	if got, want := left(), "alices 0 0 0 0\nbobs 0 4 1 1\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if d := cmp.Diff(before, b.rows(compared)); d != "" {
		t.Errorf("what comparisons are made of changed:\n%s", d)
	}

	removed, err := b.store.Removals(t.Context())
	want := []tracker.Removal{
		{Owner: login["bob"], Sweep: "bobs", What: "points"}, {Owner: login["alice"], Sweep: "alices", What: "artifacts"},
		{Owner: login["alice"], Sweep: "alices", What: "logs"}, {Owner: login["alice"], Sweep: "alices", What: "points"},
	}
	if d := cmp.Diff(want, removed, cmpopts.IgnoreFields(tracker.Removal{}, "At", "Bytes"), cmpopts.SortSlices(func(a, b tracker.Removal) bool { return a.Sweep+a.What < b.Sweep+b.What })); d != "" || err != nil {
		t.Errorf("on record (-want +got), %v:\n%s", err, d)
	}
	if got := b.rows(`select sweep, (select string_agg(k, ' ' order by k) from jsonb_object_keys(removed) k) from sweeps order by 1`); got != "alices artifacts logs points\nbobs points\n" {
		t.Errorf("the view sweeps: got %s", got)
	}
	settings, err := b.store.Retentions(t.Context())
	day, month, most := 1, 30, 39
	wanted := []tracker.Retention{
		{Owner: login["alice"], What: "artifacts", Days: &day}, {Owner: login["alice"], What: "points", Days: &month},
		{Owner: login["alice"], What: "logs", Sweep: "alices", Days: &most}, {Owner: login["bob"], What: "points", Days: &month},
	}
	if d := cmp.Diff(wanted, settings); d != "" || err != nil {
		t.Errorf("settings (-want +got), %v:\n%s", err, d)
	}
	if found, err := b.store.Check(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("check: %+v, %v", found, err)
	}
}
