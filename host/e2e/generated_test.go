package e2e

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const generatedSweep = `version = 1
name = "generated"

[axes]
dataset  = ["grid"]
backbone = ["concat"]
variant  = ["erm", "md"]

[datasets.grid]
generator = "mm_conf"
scenario = ["S2", "S3"]
mixing = "orthogonal"
sequences = 1
rows = 400
validation_rows = 300
test_rows = 300

[variants.erm]
[variants.md]
missingness = { mode = "enumerate" }

[data]
shifts = ["do", "flip", "rate:0.5", "pattern"]

[metric]
name = "val/auroc"

[replicates]
seeds = [0, 1]

[run]
epochs = 2

[analysis]
baseline = { variant = "erm" }
`

// A factorial study on generated data is one file: the truth is in no plugin's
// reach and in every answer.
func TestRun_Generated(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	path := h.write("generated.toml", generatedSweep)
	if first := h.trained(t, path); first.New != 8 || first.Done != 8 {
		t.Errorf("got %+v, want 8 new runs, all done", first)
	}
	if again := h.trained(t, path); again.New != 0 {
		t.Errorf("the same file again makes %d runs", again.New)
	}

	type cell struct{ dataset, variant string }
	recorded := map[cell]float64{}
	for _, row := range h.sqlRows(`select dataset, variant, avg(value) from results where metric = 'irmse' and split = 'do' and grp = '' group by 1, 2`) {
		recorded[cell{row[0].(string), row[1].(string)}] = row[2].(float64)
	}
	if len(recorded) != 4 {
		t.Fatalf("irmse is recorded of %v", recorded)
	}
	for _, row := range h.sqlRows(`select dataset, variant, avg(e) from (select dataset, variant, seed, sqrt(avg((score - truth)::float8 ^ 2)) as e
		from all_predictions where test_set = 'do' group by 1, 2, 3) x group by 1, 2`) {
		if got, want := row[2].(float64), recorded[cell{row[0].(string), row[1].(string)}]; math.Abs(got-want) > 1e-6 {
			t.Errorf("%v: predictions give %v, results %v", row, got, want)
		}
	}
	compared := decode[struct {
		Tables []struct {
			Rows []struct {
				Dataset, Variant string
				Overall          struct{ Mean struct{ Estimate float64 } }
			}
		}
	}](t, h.must("compare", "--json", "--metric", "irmse", "--test", "do", "--resamples", "50", "generated"))
	if len(compared.Tables) != 2 {
		t.Fatalf("%d tables for 2 datasets", len(compared.Tables))
	}
	for _, table := range compared.Tables {
		for _, row := range table.Rows {
			if want := recorded[cell{row.Dataset, row.Variant}]; math.Abs(row.Overall.Mean.Estimate-want) > 1e-6 {
				t.Errorf("%s/%s: compare says %v, results %v", row.Dataset, row.Variant, row.Overall.Mean.Estimate, want)
			}
		}
	}
	// The study reads the same numbers, and trains nothing again.
	studied := decode[struct {
		Rows []struct {
			Dataset, Scenario, Variant string
			IRMSE                      struct{ Estimate float64 }
			AUROC                      []float64
		}
		Checks []struct{ Scenario, Claim string }
	}](t, h.must("study", "--json", "--resamples", "50", "--markdown", filepath.Join(h.cwd(), "study.md"), path))
	for _, row := range studied.Rows {
		if want := recorded[cell{row.Dataset, row.Variant}]; math.Abs(row.IRMSE.Estimate-want) > 1e-6 || len(row.AUROC) != 3 || !strings.HasSuffix(row.Dataset, row.Scenario) {
			t.Errorf("%+v: results say %v", row, want)
		}
	}
	if len(studied.Rows) != 4 || len(studied.Checks) != 4 { // S2: erm, md; S3: md, md against erm
		t.Errorf("the study has %d cells and checks %v", len(studied.Rows), studied.Checks)
	}
	markdown, err := os.ReadFile(filepath.Join(h.cwd(), "study.md"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(markdown); strings.Count(text, "| grid/S2 | concat |") != 2 || !strings.Contains(text, "md removes missingness bias") {
		t.Errorf("study.md:\n%s", text)
	}
	if rows := h.sqlRows(`select run_id from results where metric = 'confounder_r2' and split = 'test' and value between -0.5 and 1`); len(rows) != 8 {
		t.Errorf("%d of 8 runs say how much of the confounder their representation holds", len(rows))
	}
	// A replicate has data of its own: no unit is in two seeds.
	for _, row := range h.sqlRows(`select count(*) from (select unit from all_predictions where test_set = 'id' group by unit having count(distinct seed) > 1) x`) {
		if row[0].(float64) != 0 {
			t.Errorf("%v rows were tested with both seeds", row[0])
		}
	}
	// Cells of one dataset and seed are scored on the same rows.
	for _, row := range h.sqlRows(`select dataset, seed, count(*), count(distinct (unit, label, truth)) from all_predictions where test_set = 'do' group by 1, 2`) {
		if n, distinct := row[2].(float64), row[3].(float64); n != 600 || distinct != 300 {
			t.Errorf("%v: want 600 predictions of 300 rows", row)
		}
	}
}

func TestValidate_GeneratedMistakes(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for mistake, want := range map[[2]string]string{
		{"sequences = 1", "sequences = 4"}:                       "generated.toml:13:1: datasets.grid.sequences: is 4, more than the 3 modalities",
		{"rows = 400", "row = 400"}:                              `generated.toml:14:1: datasets.grid.row: unknown setting; did you mean "rows"?`,
		{`"rate:0.5"`, `"rate:0.4"`}:                             `generated.toml:23:25: data.shifts[2]: dataset grid/S2 has no shifted test "rate:0.4"; did you mean "rate:0.1"?`,
		{`dataset  = ["grid"]`, `dataset  = ["mm_conf/S9"]`}:     "generated.toml:5:13: axes.dataset[0]: mm_conf/S9 is not a dataset: name a scenario",
		{"[data]\n", "[data]\nsplit = { scheme = \"kfold\" }\n"}: "generated.toml:23:1: data.split: goes with no dataset of the sweep",
	} {
		path := h.write("generated.toml", strings.Replace(generatedSweep, mistake[0], mistake[1], 1))
		if a := h.expect(3, "validate", path); !strings.Contains(a.err, want) {
			t.Errorf("%q: got\n%s\nwant %s", mistake[1], a.err, want)
		}
	}
}
