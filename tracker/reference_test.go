package tracker_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/sql.md is the reference of the views and aggregates, made of the comments in
// the schema.
func TestReference(t *testing.T) {
	b := setup(t)
	views, err := b.store.Views(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ")
	var out strings.Builder
	out.WriteString(`# SQL reference

Made of the comments in the schema, which ` + "`\\d+ VIEW`" + ` in psql and ` + "`\\d VIEW`" + ` in ` + "`deconfound sql`" + ` show too. Views keep their columns and what they mean; new ones may come. The role ` + "`deconfound_analyst`" + ` reads the views, runs the aggregates, and can do nothing else. The [cookbook](cookbook.md) has thirty questions with their queries.

`)
	for _, v := range views {
		fmt.Fprintf(&out, "- [%[1]s](#%[1]s)\n", v.Name)
	}
	for _, v := range views {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n| column | type | |\n|---|---|---|\n", v.Name, cell.Replace(v.Text))
		for _, c := range v.Columns {
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", c.Name, cell.Replace(c.Type), cell.Replace(c.Text))
		}
	}
	out.WriteString("\n## Aggregates\n\n| aggregate | answers | |\n|---|---|---|\n")
	rows, err := b.store.Pool().Query(t.Context(), `select p.proname, pg_get_function_arguments(p.oid), format_type(p.prorettype, null), obj_description(p.oid, 'pg_proc')
		from pg_proc p where p.prokind = 'a' and p.pronamespace = 'deconfound'::regnamespace order by 1, 2`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var name, arguments, answers, text string
		if err := rows.Scan(&name, &arguments, &answers, &text); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "| `%s(%s)` | %s | %s |\n", name, arguments, answers, cell.Replace(text))
	}
	if err := rows.Err(); err != nil || n < 5 {
		t.Fatalf("%d aggregates, %v", n, err)
	}
	const file = "../docs/sql.md"
	want, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("%s is not that of the schema (go test ./tracker -run Reference -update writes it):\n%s", file, d)
		if *update {
			if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
