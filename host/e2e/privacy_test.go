package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Patient identifiers leave the private side of the feature store nowhere: not
// to the database, the logs, the messages or the plugins.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 320})
	file := sweep{
		name: "private", dataset: `"two"`, backbone: `"concat", "crash"`, variant: `"erm", "ipw"`, seeds: "0, 1", epochs: 40,
		more: "retry = { max = 0 }\nslice = \"1s\"",
	}.write(h)
	p := h.start("run", file)
	seen := map[string]bool{}
	eventually(t, "both plugins are seen and the sweep has ended", func() bool {
		for _, process := range h.pluginProcesses() {
			seen[filepath.Base(process.exe)] = true
			for _, v := range process.env {
				name, value, _ := strings.Cut(v, "=")
				if strings.Contains(v, marker) || strings.HasPrefix(name, "PG") || strings.Contains(value, "not for plugins") || name == "DECONFOUND_HOME" {
					t.Errorf("%s was given %s", filepath.Base(process.exe), v)
				}
			}
		}
		select {
		case <-p.ended:
			return true
		default:
			return false
		}
	})
	if !seen["concat"] || !seen["ipw"] {
		t.Errorf("only saw %v", seen)
	}
	a := p.wait(t)
	if a.code != 6 {
		t.Errorf("exit code %d, want 6 for the plugin that crashes", a.code)
	}
	for _, text := range []string{
		a.out, a.err, h.must("compare", "--json", "--resamples", "50", "private").out, h.must("runs", "ls", "private").out, h.must("data", "audit", "two").out,
	} {
		if strings.Contains(text, marker) {
			t.Errorf("printed:\n%s", text)
		}
	}

	db := h.database()
	columns, err := db.Query(t.Context(), `select c.table_schema, c.table_name, c.column_name, c.data_type from information_schema.columns c
		join information_schema.tables t using (table_schema, table_name)
		where t.table_type = 'BASE TABLE' and c.table_schema not in ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	type column struct{ schema, table, name, kind string }
	list, err := pgx.CollectRows(columns, func(row pgx.CollectableRow) (c column, err error) {
		return c, row.Scan(&c.schema, &c.table, &c.name, &c.kind)
	})
	if err != nil || len(list) < 50 {
		t.Fatalf("%d columns: %v", len(list), err)
	}
	for _, c := range list {
		name := pgx.Identifier{c.name}.Sanitize()
		condition := "strpos(" + name + "::text, $1) > 0"
		if c.kind == "bytea" {
			condition = "position(convert_to($1, 'UTF8') in " + name + ") > 0"
		}
		var n int
		query := "select count(*) from " + pgx.Identifier{c.schema, c.table}.Sanitize() + " where " + condition
		if err := db.QueryRow(t.Context(), query, marker).Scan(&n); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		if n > 0 {
			t.Errorf("%d rows of %s.%s hold identifiers", n, c.table, c.name)
		}
	}

	// Nor is it in any file but the source, and what only the host may read.
	private := 0
	err = filepath.WalkDir(h.data(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return ignoreGone(err)
		}
		if !bytes.Contains(text, []byte(marker)) {
			return nil
		}
		if filepath.Base(filepath.Dir(path)) != "private" {
			t.Errorf("%s holds identifiers", path)
			return nil
		}
		private++
		info, err := os.Stat(filepath.Dir(path))
		if err == nil && info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", filepath.Dir(path), info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if private == 0 {
		t.Error("the marker is found nowhere, so this test finds nothing")
	}
}

// ignoreGone forgives files that a running database removes.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
