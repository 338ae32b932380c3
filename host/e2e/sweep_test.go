package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shipped is a sweep file of the repository.
func shipped(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../sweeps", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A new user runs the smallest sweep, asks, runs it again and extends it.
func TestRun_Quick(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	quick := shipped(t, "quick.toml")
	first := h.trained(t, quick)
	if first.New != 4 || first.Done != 4 {
		t.Errorf("got %+v, want 4 new runs, all done", first)
	}

	readme := `select backbone, variant, pattern, auroc(score, label) from predictions group by 1, 2, 3`
	defined := 0
	for _, row := range h.sqlRows(readme) {
		if v, ok := row[3].(float64); ok {
			if defined++; v < 0 || v > 1 {
				t.Errorf("%v", row)
			}
		}
	}
	if defined < 10 {
		t.Errorf("%d patterns have an AUROC", defined)
	}
	for _, query := range []string{
		`delete from run`, `update sweep set name = 'x'`, `create table x (y int)`, `select 1; delete from run`,
		`with x as (delete from run returning 1) select * from x`, `set role deconfound`,
		`copy (select 1) to program 'true'`, `select pg_read_file('/etc/passwd')`,
	} {
		if a := h.do("sql", query); a.code != 1 || !strings.Contains(a.err, "deconfound: ") {
			t.Errorf("sql %q: exit code %d\n%s%s", query, a.code, a.out, a.err)
		}
	}
	var compared struct {
		Sweep  string
		Tables []struct {
			Rows []struct {
				Variant    string
				IsBaseline bool `json:"is_baseline"`
				Overall    struct {
					N    int
					Mean struct{ Estimate, Low, High float64 }
				}
			}
		}
	}
	a := h.must("compare", "--json", "--resamples", "100", "quick")
	if err := json.Unmarshal([]byte(a.out), &compared); err != nil {
		t.Fatal(err)
	}
	if len(compared.Tables) != 1 || len(compared.Tables[0].Rows) != 2 || !compared.Tables[0].Rows[0].IsBaseline || compared.Tables[0].Rows[1].Variant != "md" {
		t.Errorf("got %+v", compared)
	}
	for _, row := range compared.Tables[0].Rows {
		if m := row.Overall.Mean; row.Overall.N < 1000 || m.Low > m.Estimate || m.Estimate > m.High || m.Estimate <= 0 {
			t.Errorf("got %+v", row)
		}
	}

	db := h.database()
	before := bitsOf(t, db)
	if again := h.trained(t, quick); again.New != 0 {
		t.Errorf("running the same file again made %d runs", again.New)
	}
	bitsOf(t, db).same(t, before)

	text, err := os.ReadFile(quick)
	if err != nil {
		t.Fatal(err)
	}
	more := h.write("more.toml", strings.Replace(string(text), "seeds = [0, 1]", "seeds = [0, 1, 2]", 1))
	if extended := h.trained(t, more); extended.New != 2 || extended.Expected != 6 {
		t.Errorf("a third seed gave %+v, want 2 new of 6 runs", extended)
	}
	after := bitsOf(t, db)
	if got, want := after.rows("runs"), 6; got != want {
		t.Errorf("%d runs, want %d", got, want)
	}
	maps.DeleteFunc(after, func(key, _ string) bool { _, old := before[key]; return !old })
	after.same(t, before)
	if left, err := os.ReadDir(filepath.Join(h.dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v %v", left, err)
	}
}

// Every component and strategy trains on every kind of task and modality.
func TestRun_AllVariants(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 320})
	h.add(cohort{name: "three", label: multiclass, rows: 320})
	h.add(cohort{name: "several", label: multilabel, rows: 320})
	variants := []string{"erm", "md", "db", "md_db", "groupdro", "ipw", "modality_dropout", "mask_feature"}
	file := sweep{
		name: "all", dataset: `"two", "three", "several"`, variant: `"` + strings.Join(variants, `", "`) + `"`, seeds: "0", epochs: 3,
	}.write(h)
	if s := h.trained(t, file); s.Done != 3*len(variants) {
		t.Errorf("got %+v", s)
	}
	seen := map[string]bool{}
	const query = `select dataset, variant, split, metric, value from results where grp = '' and split in ('val', 'test', 'do') and metric in ('auroc', 'auprc', 'brier', 'log_loss')`
	for _, row := range h.sqlRows(query) {
		if v, ok := row[4].(float64); !ok || v < 0 {
			t.Errorf("undefined: %v", row)
		}
		key := row[0].(string) + " " + row[1].(string) + " " + row[2].(string) + " " + row[3].(string)
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
	for _, dataset := range []string{"two", "three", "several"} {
		for _, variant := range variants {
			for _, metric := range []string{"test auroc", "test auprc", "test brier", "test log_loss", "do auroc"} {
				if key := dataset + " " + variant + " " + metric; !seen[key] {
					t.Errorf("no %s", key)
				}
			}
		}
	}
}

// A plugin that crashes fails its own run; the other cells go on.
func TestRun_PluginCrash(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 320})
	file := sweep{
		name: "crashing", dataset: `"two"`, backbone: `"crash", "concat"`, variant: `"erm", "md"`, seeds: "0", epochs: 2, more: "retry = { max = 0 }",
	}.write(h)
	got := decode[status](t, h.expect(6, "run", "--json", file))
	if got.Done != 2 || got.Failed != 2 || len(got.Failures) != 2 {
		t.Fatalf("got %+v", got)
	}
	for _, f := range got.Failures {
		if f.Cell.Backbone != "crash" || f.Code != "plugin_crash" || !strings.Contains(f.Message, "status 7") {
			t.Errorf("got %+v", f)
		}
	}
	for _, row := range h.sqlRows(`select state, error_code, error_message from runs where backbone = 'crash'`) {
		if row[0] != "failed" || row[1] != "plugin_crash" || !strings.Contains(row[2].(string), "out of luck") {
			t.Errorf("got %v", row)
		}
	}
	plain := h.expect(6, "run", file)
	if !strings.Contains(plain.out, "2 failed") || !strings.Contains(plain.out, "deconfound sweep retry crashing") {
		t.Errorf("got %s", plain.out)
	}
}
