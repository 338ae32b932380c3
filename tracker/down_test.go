package tracker_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/migrations"
)

// The newest migration can be taken back and made again: tables, views and their
// comments are then as before.
func TestSchema_NewestMigrationGoesBothWays(t *testing.T) {
	b := setup(t)
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(migrations.FS, names[len(names)-1])
	if err != nil {
		t.Fatal(err)
	}
	up, down, ok := strings.Cut(string(text), "-- +goose Down")
	if !ok {
		t.Fatalf("%s has no way down", names[len(names)-1])
	}
	describe := func() string {
		var out strings.Builder
		for _, q := range schemaQueries {
			if q.title != "privileges" { // granted anew after every migration
				out.WriteString(b.rows(q.sql))
			}
		}
		out.WriteString(b.rows(`select c.relname, obj_description(c.oid) from pg_class c where relnamespace = 'deconfound'::regnamespace and relkind = 'v' order by 1`))
		return out.String()
	}
	before := describe()
	err = b.store.InTx(t.Context(), func(tx pgx.Tx) error {
		for _, part := range []string{"set local search_path = deconfound", down, up} {
			if _, err := tx.Conn().PgConn().Exec(t.Context(), part).ReadAll(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, describe()); d != "" {
		t.Errorf("the schema (-before +after):\n%s", d)
	}
}
