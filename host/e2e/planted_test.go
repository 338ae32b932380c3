package e2e

import (
	"strings"
	"testing"
)

const plantedSweep = `version = 1
name = "planted"

[axes]
dataset  = ["hidden", "censored"]
backbone = ["concat"]
variant  = ["erm"]

[datasets.hidden]
generator = "planted"
base = "nafld"
recipe = "confounder"
hidden = "age"
modalities = "base anthro lipid"

[datasets.censored]
generator = "planted"
base = "nafld"
mask = "quantile"
modalities = "base lipid"

[variants.erm]

[data]
shifts = ["do", "flip", "clean"]
groups = ["sex"]

[metric]
name = "val/auroc"

[replicates]
seeds = [0, 1]

[run]
epochs = 1
batch_size = 1024

[analysis]
baseline = { variant = "erm" }
`

// Bias is planted in a real cohort by a sweep file: the truth is known where the
// labels are drawn, and a seed is a dataset.
func TestRun_Planted(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	path := h.write("planted.toml", plantedSweep)
	if first := h.trained(t, path); first.New != 4 || first.Done != 4 {
		t.Errorf("got %+v, want 4 new runs, all done", first)
	}
	if again := h.trained(t, path); again.New != 0 {
		t.Errorf("the same file again makes %d runs", again.New)
	}
	if more := h.trained(t, h.write("planted.toml", strings.Replace(plantedSweep, `mask = "quantile"`, `mask = "self"`, 1))); more.New != 2 {
		t.Errorf("another mechanism makes %d new runs, want 2", more.New)
	}
	for _, row := range h.sqlRows(`select dataset, count(distinct split) from results where metric = 'irmse' and grp = '' group by 1`) {
		if row[0].(string) != "hidden" || row[1].(float64) != 4 {
			t.Errorf("irmse is recorded of %v", row)
		}
	}
	// The same patients are tested with both seeds, with labels and masks of their own.
	for _, row := range h.sqlRows(`select count(*), count(distinct unit), count(distinct (unit, label, pattern)) from all_predictions where dataset = 'hidden' and test_set = 'do'`) {
		if rows, units, drawn := row[0].(float64), row[1].(float64), row[2].(float64); rows != 2*units || drawn <= units {
			t.Errorf("%v predictions of %v patients, %v of them distinct", rows, units, drawn)
		}
	}
	if a := h.must("compare", "--metric", "irmse", "--test", "do", "--resamples", "20", "planted"); !strings.Contains(a.out, "censored is left out: the truth of these rows is not known") {
		t.Errorf("compare says:\n%s", a.out)
	}
}

func TestValidate_PlantedMistakes(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for mistake, want := range map[[2]string]string{
		{`base = "nafld"` + "\nmask", `base = "nafl"` + "\nmask"}: `planted.toml:18:1: datasets.censored.base: is "nafl": no dataset "nafl"`,
		{`hidden = "age"`, `hidden = "agee"`}:                     `planted.toml:13:1: datasets.hidden.hidden: is "agee", which nafld does not have`,
		{`"base anthro lipid"`, `"base antro lipid"`}:             `did you mean anthro?`,
		{`"base anthro lipid"`, `""`}:                             `have all of them`,
		{`mask = "quantile"`, `mask = ["quantile", "mcar"]`}:      `planted.toml:25:17: data.shifts[1]: dataset censored/mcar has no shifted test "flip"`,
		{`mask = "quantile"`, `mask = "quantle"`}:                 `planted.toml:19:1: datasets.censored.mask: "quantle" is not available; did you mean "quantile"?`,
		{`["hidden", "censored"]`, `["censored"]`}:                "",
	} {
		text := strings.Replace(plantedSweep, mistake[0], mistake[1], 1)
		if want == "" { // a definition that is not on the axis is checked, too
			text = strings.Replace(text, "recipe", "recpe", 1)
			want = `datasets.hidden.recpe: unknown setting; did you mean "recipe"?`
		}
		if a := h.expect(3, "validate", h.write("planted.toml", text)); !strings.Contains(a.err, want) {
			t.Errorf("%q: got\n%s\nwant %s", mistake[1], a.err, want)
		}
	}
}
