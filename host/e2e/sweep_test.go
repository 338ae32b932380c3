package e2e

import (
	"encoding/csv"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
				Patterns []struct {
					Level   string
					Defined int `json:"defined_seeds"`
					Mean    struct{ Estimate float64 }
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
	// The mean over seeds of what SQL computes is what compare prints.
	means := map[string]float64{}
	for _, row := range h.sqlRows(`select variant, '', avg(a) from (select variant, auroc(score, label) as a from predictions group by variant, seed) x group by 1
		union all select variant, pattern, avg(a) from (select variant, pattern, auroc(score, label) as a from predictions group by variant, pattern, seed
			having sum(label) >= 10 and sum(1 - label) >= 10) x group by 1, 2`) {
		means[row[0].(string)+" "+row[1].(string)] = row[2].(float64)
	}
	checked := 0
	for _, row := range compared.Tables[0].Rows {
		if got, want := row.Overall.Mean.Estimate, means[row.Variant+" "]; math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: compare says %v, SQL %v", row.Variant, got, want)
		}
		for _, p := range row.Patterns {
			if p.Defined == 0 {
				continue
			}
			checked++
			if want := means[row.Variant+" "+p.Level]; math.Abs(p.Mean.Estimate-want) > 1e-12 {
				t.Errorf("%s, %s: compare says %v, SQL %v", row.Variant, p.Level, p.Mean.Estimate, want)
			}
		}
	}
	if checked < 8 {
		t.Errorf("only %d patterns could be checked", checked)
	}
	for _, row := range compared.Tables[0].Rows {
		if m := row.Overall.Mean; row.Overall.N < 1000 || m.Low > m.Estimate || m.Estimate > m.High || m.Estimate <= 0 {
			t.Errorf("got %+v", row)
		}
	}

	h.asksAboutRuns()
	h.looksAtPages()

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
	h.saysJSON(more)
	if left, err := os.ReadDir(filepath.Join(h.dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v %v", left, err)
	}
}

// asksAboutRuns looks at single runs of the sweep quick and takes its results
// away.
func (h *home) asksAboutRuns() {
	h.t.Helper()
	found := h.sqlRows(`select min(run_id) filter (where variant = 'erm'), min(run_id) filter (where variant = 'md') from runs where seed = 0`)
	erm, md := itoa(int(found[0][0].(float64))), itoa(int(found[0][1].(float64)))

	again := decode[struct {
		Same                 bool
		Results, Predictions int
	}](h.t, h.must("runs", "rerun", "--json", md))
	if !again.Same || again.Results < 100 || again.Predictions < 1000 {
		h.t.Errorf("trained again: %+v", again)
	}
	// The last bit of one prediction.
	db := h.database()
	const flip = `update prediction p set score = float4(p.score + case when p.score < 0.5 then 1 else -1 end * 6e-8)
		where p.run_id = $1 and p.unit_hash = (select min(unit_hash) from prediction where run_id = $1)`
	if _, err := db.Exec(h.t.Context(), flip, md); err != nil {
		h.t.Fatal(err)
	}
	if a := h.expect(7, "runs", "rerun", "--check", md); !strings.Contains(a.out, "differ") || strings.Count(a.out, "\n") != 1 {
		h.t.Errorf("got %s", a.out)
	}
	if _, err := db.Exec(h.t.Context(), strings.Replace(flip, "< 0.5 then 1 else -1", "< 0.5 then -1 else 1", 1), md); err != nil {
		h.t.Fatal(err)
	}

	diff := decode[struct {
		Spec []struct {
			Key  string
			A, B any
		}
		Results []struct{ Metric string }
	}](h.t, h.must("runs", "diff", "--json", erm, md))
	variant := false
	for _, d := range diff.Spec {
		switch {
		case d.Key == "variant":
			variant = d.A == "erm" && d.B == "md"
		case !strings.HasPrefix(d.Key, "missingness"):
			h.t.Errorf("matched runs differ in %+v", d)
		}
	}
	if !variant || len(diff.Results) == 0 {
		h.t.Errorf("got %+v", diff)
	}
	if same := h.must("runs", "diff", erm, erm); !strings.Contains(same.out, "the same settings") || !strings.Contains(same.out, "No result") {
		h.t.Errorf("got %s", same.out)
	}
	h.expect(1, "runs", "diff", erm, "999999")

	dir := filepath.Join(h.dir, "exported")
	h.must("export", "quick", "--dir", dir)
	f, err := os.Open(filepath.Join(dir, "all_predictions.csv"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		h.t.Fatal(err)
	}
	score, sum := slices.Index(rows[0], "score"), 0.0
	for _, row := range rows[1:] {
		v, err := strconv.ParseFloat(row[score], 32)
		if err != nil {
			h.t.Fatal(err)
		}
		sum += v
	}
	// Sums of the same reals: every digit was written.
	stored := h.sqlRows(`select count(*), sum(score::float8) from all_predictions`)[0]
	if n := stored[0].(float64); n != float64(len(rows)-1) || math.Abs(sum-stored[1].(float64)) > 1e-12*n {
		h.t.Errorf("exported %d predictions that sum to %v, stored are %v", len(rows)-1, sum, stored)
	}
	h.expect(1, "export", "quick", "--dir", dir)
	h.expect(2, "export", "quick", "--format", "xlsx")
	h.exportsParquet(h.t)
	if err := os.RemoveAll(dir); err != nil {
		h.t.Fatal(err)
	}
}

// Every component and strategy trains on every kind of task and modality.
func TestRun_AllVariants(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 320})
	h.add(cohort{name: "three", label: multiclass, rows: 320})
	h.add(cohort{name: "several", label: multilabel, rows: 320})
	variants := []string{"erm", "md", "db", "md_db", "split", "groupdro", "ipw", "modality_dropout", "mask_feature"}
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
	// What was erased is recorded: the risk shows in the labs and decides whether
	// there are notes.
	erased := 0
	for _, row := range h.sqlRows(`select variant, diagnostic, estimate, verdict, detail->>'reason', (detail->>'directions')::int from diagnostics where diagnostic like 'availability_split%'`) {
		share, directions := row[2].(float64), row[5].(float64)
		if row[0] != "split" || !strings.HasPrefix(row[1].(string), "availability_split/") || (directions > 0) != (share > 0) || (directions == 0) != (row[4] != nil) {
			t.Errorf("got %v", row)
		}
		erased += int(directions)
	}
	if erased == 0 {
		t.Error("nothing was erased in any cohort")
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
