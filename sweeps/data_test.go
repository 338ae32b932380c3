package sweeps

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A site split may name environments for all datasets, or for each of them.
func TestCompile_sidesOfDatasets(t *testing.T) {
	text := `version = 1
name = "sites"
[axes]
dataset = ["nafld", "support2"]
backbone = ["concat"]
variant = ["erm"]
[variants.erm]
[data.split]
scheme = "site"
source = { nafld = ["0"] }
target = { nafld = ["1"], support2 = ["Cancer", "Coma"] }
[metric]
name = "val/auroc"
[replicates]
seeds = [0]
`
	sides := func(text string) map[string]Sides {
		out := map[string]Sides{}
		for _, c := range generatedPlan(t, text).Cells {
			s := c.Trials[0].Base.Split
			out[c.Cell.Dataset] = Sides{s.Source, s.Target}
		}
		return out
	}
	want := map[string]Sides{"nafld": {[]string{"0"}, []string{"1"}}, "support2": {nil, []string{"Cancer", "Coma"}}}
	if diff := cmp.Diff(want, sides(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A table gives the same runs as a list in a sweep of that dataset alone.
	alone := strings.NewReplacer(`, "support2"`, "", `source = { nafld = ["0"] }`, `source = ["0"]`, `{ nafld = ["1"], support2 = ["Cancer", "Coma"] }`, `["1"]`).Replace(text)
	hash := func(text string) Hash {
		specs, err := generatedPlan(t, text).Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := specs[0].Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if hash(text) != hash(alone) {
		t.Error("the run of nafld is another one")
	}
}
