package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// strategiesSweep has 400 training rows, three batches of them an epoch.
const strategiesSweep = `version = 1
name = "strategies"

[axes]
dataset  = ["small"]
backbone = ["concat", "transformer"]
variant  = [%s]

[datasets.small]
generator = "mm_conf"
scenario = "S2"
rows = 400
validation_rows = 200
test_rows = 200

[variants.erm]
[variants.disc]
dual_branch = { recipe = "disc" }
[variants.cal]
dual_branch = { recipe = "cal" }
[variants.cabir]
dual_branch = { recipe = "cabir" }
[variants.md_mixup]
strategy = "mixup"
missingness = {}
[variants.md_jtt]
strategy = "jtt"
missingness = {}
%s
[metric]
name = "val/auroc"

[parameters]
"optimizer.lr" = { value = 3e-3 }
"strategy.hidden" = { value = 16 }
"strategy.anneal" = { value = 4 }
"strategy.within_label" = { value = 1.0 }

[replicates]
seeds = [0]

[run]
epochs = 4
batch_size = 150
width = 16
diagnostics = "off"

[analysis]
baseline = { variant = "erm" }
tests = []
`

// Every shipped strategy and published recipe trains with two backbones in one
// sweep, and the loss falls: within either stage of jtt, which begins anew, and at
// first of irm and fishr, whose penalties then take over. Batches of lisa that are
// mixed across labels have another loss than others, so all are mixed within.
func TestRun_Strategies(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	shipped, err := os.ReadDir("../../plugins/strategy")
	if err != nil {
		t.Fatal(err)
	}
	variants := []string{"erm", "disc", "cal", "cabir", "md_mixup", "md_jtt"}
	var tables strings.Builder
	for _, entry := range shipped {
		variants = append(variants, entry.Name())
		fmt.Fprintf(&tables, "[variants.%s]\nstrategy = %q\n", entry.Name(), entry.Name())
	}
	path := h.write("strategies.toml", fmt.Sprintf(strategiesSweep, `"`+strings.Join(variants, `", "`)+`"`, tables.String()))
	if s := h.trained(t, path); s.Done != 2*len(variants) || s.Failed != 0 {
		t.Fatalf("got %+v, want %d runs done", s, 2*len(variants))
	}
	type cell struct{ backbone, variant string }
	curves := map[cell][]float64{}
	for _, row := range h.sqlRows(`select backbone, variant, value from points join runs using (run_id)
		where metric = 'loss' and split = 'train' order by backbone, variant, step`) {
		c := cell{row[0].(string), row[1].(string)}
		curves[c] = append(curves[c], row[2].(float64))
	}
	if len(curves) != 2*len(variants) {
		t.Fatalf("%d learning curves of %d runs", len(curves), 2*len(variants))
	}
	for c, loss := range curves {
		switch {
		case len(loss) != 4:
			t.Errorf("%v: %d epochs", c, len(loss))
		case strings.HasSuffix(c.variant, "jtt"):
			if !(loss[1] < loss[0] && loss[3] < loss[2]) {
				t.Errorf("%v: the loss goes %v", c, loss)
			}
		case !(slices.Min(loss[1:]) < loss[0]):
			t.Errorf("%v: the loss goes %v", c, loss)
		}
	}
	// Recipes are not the dual branch as it is, nor each other.
	seen := map[string]string{}
	for _, row := range h.sqlRows(`select variant, value::text from results where backbone = 'concat' and split = 'test' and grp = '' and metric = 'log_loss'`) {
		variant, value := row[0].(string), row[1].(string)
		if variant == "erm" || variant == "disc" || variant == "cal" || variant == "cabir" || variant == "recalibration" || variant == "rectifier" || variant == "dfr" {
			if other, ok := seen[value]; ok {
				t.Errorf("%s and %s have the same log loss", variant, other)
			}
			seen[value] = variant
		}
	}
	if len(seen) != 7 {
		t.Errorf("log losses %v", seen)
	}
}
