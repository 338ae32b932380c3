package e2e

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Several logins on one server: owners who train, machines that train for all, and
// readers, who see the sweeps of the owner that named them and of nobody else.
func TestOwners(t *testing.T) {
	t.Parallel()
	dsn, conn := server(t)
	admin := newHome(t)
	admin.dsn = dsn
	admin.must("db", "migrate")
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	as := func(login, role string) *home {
		t.Helper()
		exec(`create role ` + pgx.Identifier{login}.Sanitize() + ` login in role ` + role)
		h := newHome(t)
		h.dsn = dsn + " user=" + login
		return h
	}
	alice, bob := as("alice", "deconfound_worker"), as("bob", "deconfound_worker")
	machine := as("machine", "deconfound_worker")
	anna, ben := as("anna", "deconfound_reader"), as("ben", "deconfound_reader")

	planned := func(h *home, name string) {
		t.Helper()
		h.must("data", "add", cohort{name: name, label: binary, rows: 300, seed: 1}.write(h))
		h.must("data", "share", name)
		s := sweep{name: name, dataset: `"` + name + `"`, variant: `"erm", "md"`, seeds: "0, 1", epochs: 3}
		if a := h.must("run", s.write(h)); !strings.Contains(a.out+a.err, "4") {
			t.Errorf("got %s%s", a.out, a.err)
		}
		h.must("sweep", "extend", s.write(h), "--seeds", "2")
	}
	planned(alice, "alices")
	planned(bob, "bobs")
	alice.must("db", "readers", "--add", "anna")
	bob.must("db", "readers", "--add", "ben")
	worker := machine.start("worker", "--workers", "2")
	eventually(t, "another login has trained what the owners left", func() bool {
		var open int
		if err := conn.QueryRow(t.Context(), `select count(*) from run where state <> 'done'`).Scan(&open); err != nil {
			t.Fatal(err)
		}
		return open == 0
	})
	worker.interrupt(t)
	if a := worker.wait(t); a.code != 0 {
		t.Errorf("the worker ended with %d: %s", a.code, a.err)
	}

	for _, x := range []struct {
		who  *home
		want string
	}{{anna, "alices 6"}, {ben, "bobs 6"}, {alice, "alices 6 bobs 6"}, {admin, "alices 6 bobs 6"}} {
		rows := x.who.sqlRows(`select coalesce(string_agg(sweep || ' ' || n, ' ' order by sweep), '') from (select sweep, count(*) as n from runs where state = 'done' group by 1) x`)
		if len(rows) != 1 || rows[0][0] != x.want {
			t.Errorf("%s: got %v, want %s", x.who.dsn, rows, x.want)
		}
	}
	if a := anna.expect(1, "sql", "select * from run"); !strings.Contains(a.err, "permission denied") {
		t.Errorf("a reader asked for a table: %s", a.err)
	}
	for _, command := range [][]string{{"sweep", "cancel", "alices"}, {"run", "alices.toml"}, {"db", "readers", "--add", "ben"}} {
		if a := anna.do(command...); a.code == 0 {
			t.Errorf("a reader did %v: %s", command, a.out)
		}
	}
	if a := bob.do("sweep", "cancel", "alices"); a.code == 0 {
		t.Errorf("somebody cancelled the sweep of another owner: %s", a.out)
	}
	// The owner compares what others have trained.
	if a := alice.must("compare", "--resamples", "50", "alices"); !strings.Contains(a.out, "md") {
		t.Errorf("got %s", a.out)
	}
	alice.must("db", "readers", "--remove", "anna")
	if rows := anna.sqlRows(`select count(*)::text from runs`); rows[0][0] != "0" {
		t.Errorf("a reader who was removed sees %v runs", rows)
	}
}
