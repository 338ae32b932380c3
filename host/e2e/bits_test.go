package e2e

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// traces ask for what a sweep leaves behind, one row for each run and kind: how
// many rows there are, and a hash of their bits. Run numbers differ between
// installations, run hashes do not.
var traces = map[string]string{
	"runs": `select encode(run_hash, 'hex'), 1, concat_ws(' ', variant, phase, split_seed, init_seed, state, planned, epoch, stop_reason, error_code) from run`,
	"results": `select encode(r.run_hash, 'hex'), count(*), md5(string_agg(concat_ws('|', m.name, m.split, m.grp, m.lvl, encode(float8send(z.value), 'hex')),
		e'\n' order by m.name, m.split, m.grp, m.lvl))
		from result z join run r using (run_id) join metric m using (metric_id) group by r.run_hash`,
	"points": `select encode(r.run_hash, 'hex'), count(*), md5(string_agg(concat_ws('|', p.step, p.metric, p.split, p.grp, p.lvl, encode(float8send(p.value), 'hex')),
		e'\n' order by p.step, p.metric, p.split, p.grp, p.lvl))
		from points p join run r using (run_id) group by r.run_hash`,
	"curves": `select encode(r.run_hash, 'hex'), count(*), md5(string_agg(concat_ws('|', m.name, m.split, m.grp, m.lvl, s.n, s.last_step,
		encode(float8send(s.last), 'hex'), encode(float8send(s.min), 'hex'), encode(float8send(s.max), 'hex')), e'\n' order by m.name, m.split, m.grp, m.lvl))
		from summary s join run r using (run_id) join metric m using (metric_id) group by r.run_hash`,
	"predictions": `select encode(r.run_hash, 'hex'), count(*), md5(string_agg(concat_ws('|', t.name, p.unit_hash, p.class, p.pattern, encode(float4send(p.label), 'hex'),
		encode(float4send(p.score), 'hex'), encode(float4send(p.score_observed), 'hex'), encode(float4send(p.weight), 'hex')),
		e'\n' order by t.name, p.unit_hash, p.class))
		from prediction p join run r using (run_id) join test_set t using (test_set_id) group by r.run_hash`,
}

// violations count rows that must not exist.
var violations = map[string]string{
	"values recorded twice": `select count(*) from (select from points group by run_id, metric, split, grp, lvl, step having count(*) > 1) x`,
	"curves that miscount": `select count(*) from summary s join metric m using (metric_id)
		where s.n <> (select count(*) from points p where (p.run_id, p.metric, p.split, p.grp, p.lvl) = (s.run_id, m.name, m.split, m.grp, m.lvl))`,
	"points without a run":         `select count(*) from point p where not exists (select from run r where r.run_id = p.run_id)`,
	"predictions without a run":    `select count(*) from prediction p where not exists (select from run r where r.run_id = p.run_id)`,
	"checkpoints of ended runs":    `select count(*) from checkpoint join run using (run_id) where state in ('done', 'failed', 'lost', 'cancelled')`,
	"results of runs not done":     `select count(*) from result join run using (run_id) where state <> 'done'`,
	"runs that end more than once": `select count(*) from (select from run_event where new = 'done' group by run_id having count(*) > 1) x`,
}

// bits are the traces of all runs of an installation: "points 3f0a..." to the
// number of rows and their hash.
type bits map[string]string

func bitsOf(t testing.TB, conn *pgx.Conn) bits {
	t.Helper()
	found := bits{}
	for kind, query := range traces {
		rows, err := conn.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		var run, hash string
		var n int64
		if _, err := pgx.ForEachRow(rows, []any{&run, &n, &hash}, func() error {
			found[kind+" "+run] = fmt.Sprintf("%d rows, %s", n, hash)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for what, query := range violations {
		var n int
		if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	if len(found) == 0 {
		t.Fatal("no runs at all")
	}
	return found
}

// same complains of every trace in which two installations differ.
func (b bits) same(t testing.TB, want bits) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(want))
	for key := range b {
		if _, ok := want[key]; !ok {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if b[key] != want[key] {
			t.Errorf("%s: got %q, want %q", key, b[key], want[key])
		}
	}
}

// rows is how many rows of a kind there are.
func (b bits) rows(kind string) (n int) {
	for key, value := range b {
		var rows int
		if len(key) > len(kind) && key[:len(kind)+1] == kind+" " {
			if _, err := fmt.Sscanf(value, "%d rows", &rows); err == nil {
				n += rows
			}
		}
	}
	return n
}
