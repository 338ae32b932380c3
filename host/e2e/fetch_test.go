package e2e

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker/pglocal"
)

const fetchedSweep = `version = 1
name = "fetched"

[axes]
dataset  = ["ward", "censored", "made"]
backbone = ["concat"]
variant  = ["erm", "ipw"]

[datasets.censored]
generator = "planted"
base = "ward"
mask = "mcar"
missing = 0.3

[datasets.made]
generator = "mm_conf"
scenario = "S2"
rows = 400
validation_rows = 300
test_rows = 300

[variants.erm]
[variants.ipw]
strategy = "ipw"

[metric]
name = "val/auroc"

[replicates]
seeds = [SEEDS]

[run]
epochs = 2

[analysis]
baseline = { variant = "erm" }
`

// server starts a PostgreSQL for several installations and connects to it.
func server(t *testing.T) (dsn string, conn *pgx.Conn) {
	t.Helper()
	h := newHome(t)
	cluster, err := pglocal.Open(t.Context(), pglocal.Config{Dir: filepath.Join(h.data(), "postgres")})
	if err != nil {
		t.Fatal(err)
	}
	conn, err = pgx.Connect(t.Context(), cluster.DSN()+" search_path=deconfound")
	if err != nil {
		cluster.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(t.Context()), cluster.Close()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return cluster.DSN(), conn
}

// bare gives the installation a copy of the program, without plugins.
func (h *home) bare() *home {
	h.t.Helper()
	from, err := os.Open(filepath.Join(built, "deconfound"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer from.Close()
	h.program = filepath.Join(h.dir, "deconfound")
	to, err := os.OpenFile(h.program, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		h.t.Fatal(err)
	}
	return h
}

// TestWorker_Fetches trains on a machine that has the program and a DSN and nothing
// else: no plugins, no datasets, and another installation key. What it trains has
// the bits of the machine that has everything.
func TestWorker_Fetches(t *testing.T) {
	t.Parallel()
	dsn, conn := server(t)
	owner := newHome(t)
	owner.must("data", "add", cohort{name: "ward", label: binary, rows: 300, seed: 1}.write(owner))

	reference := newHome(t).withKey(owner)
	reference.must("data", "add", cohort{name: "ward", label: binary, rows: 300, seed: 1}.write(reference))
	reference.must("data", "share", "ward")
	reference.must("run", reference.write("sweep.toml", strings.Replace(fetchedSweep, "SEEDS", "0, 1, 2", 1)))

	owner.dsn = dsn
	path := owner.write("sweep.toml", strings.Replace(fetchedSweep, "SEEDS", "0", 1))
	if said := owner.must("run", path).err; !strings.Contains(said, "dataset ward is not shared") {
		t.Errorf("a dataset that nobody shared: got %q", said)
	}
	stored := func(query string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := stored(`select count(*) from bundle where name in ('ward', 'censored')`); n != 0 {
		t.Errorf("%d stores of a dataset that nobody shared left the machine", n)
	}
	worker := newHome(t).bare()
	worker.dsn = dsn
	closed := worker.start("worker", "--no-fetch", "--name", "closed")
	if answer := owner.must("sweep", "extend", path, "--seeds", "1"); !strings.Contains(answer.out, "6 new runs wait") {
		t.Fatalf("got %s", answer.out)
	}
	eventually(t, "a worker that fetches nothing says what it lacks", func() bool {
		text := owner.must("sweep", "status", "fetched").out
		return strings.Contains(text, "waiting: no worker has plugin backbone/concat")
	})
	closed.interrupt(t)
	closed.wait(t)
	open := worker.start("worker", "--workers", "2")
	eventually(t, "what nobody shared is left, the rest is trained", func() bool {
		return stored(`select count(*) from run where state = 'done'`) == 8 && strings.Contains(owner.must("sweep", "status", "fetched").out, "waiting: no worker has dataset ward")
	})
	if n := stored(`select count(*) from run where state = 'failed' or attempt > 1`); n != 0 {
		t.Errorf("%d runs were taken by workers that could not train them", n)
	}
	if n := stored(`select count(*) from run where planned and dataset_id in (select dataset_id from dataset where name = 'ward') and state = 'done'`); n != 2 {
		t.Fatalf("%d runs of ward are done before it is shared, want those of the machine that has it", n)
	}
	// From now on the name stands for a copy without identifiers: its runs are others.
	if said := owner.must("data", "share", "ward").out; !strings.Contains(said, "its splits are drawn anew") {
		t.Errorf("got %q", said)
	}
	if said := owner.must("data", "share", "ward").out; strings.Contains(said, "drawn anew") {
		t.Errorf("shared again: got %q", said)
	}
	owner.must("sweep", "extend", path, "--seeds", "2")
	// ward, the two others for three seeds each; concat and ipw.
	if got, want := stored(`select count(*) from bundle where kind = 'store'`), 7; got != want {
		t.Errorf("%d stores are offered, want %d", got, want)
	}
	if got := stored(`select count(*) from bundle where kind = 'plugin' and platform <> ''`); got != 2 {
		t.Errorf("%d plugins are offered, want 2", got)
	}

	eventually(t, "the worker has trained what the owner has not", func() bool {
		return stored(`select count(*) from run where planned and state in ('done', 'failed')`) == 18
	})
	open.interrupt(t)
	if answer := open.wait(t); answer.code != 0 {
		t.Fatalf("the worker ended with %d: %s", answer.code, answer.err)
	}
	// The runs of the dataset as it was are of no sweep any more.
	if tag, err := conn.Exec(t.Context(), `delete from run where not planned`); err != nil || tag.RowsAffected() != 8 {
		t.Fatalf("%d runs of before: %v", tag.RowsAffected(), err)
	}
	bitsOf(t, conn).same(t, bitsOf(t, reference.database()))
	// The worker had no identifier, and nothing of one but its keyed hash.
	read := 0
	err := filepath.WalkDir(worker.data(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(marker)) {
			t.Errorf("%s has identifiers of patients", path)
		}
		if d.Name() == "ids.json" {
			read++
		}
		return ignoreGone(err)
	})
	if err != nil || read < 4 {
		t.Errorf("looked at %d files with names of rows: %v", read, err)
	}
	if _, err := os.Stat(filepath.Join(worker.data(), "datasets")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the worker has datasets of its own: %v", err)
	}

	owner.must("data", "share", "--stop", "ward")
	if n := stored(`select count(*) from bundle where name = 'ward'`); n != 0 {
		t.Errorf("%d stores are still offered", n)
	}
}
