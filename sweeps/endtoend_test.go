package sweeps

import "testing"

// endToEnd is a sweep with a backbone that trains by itself.
const endToEnd = `version = 1
name = "trees"
[axes]
dataset = ["nafld"]
backbone = ["concat", "trees"]
variant = ["erm", "md"]
exclude = [{ backbone = "trees", variant = "md" }]
[variants.erm]
[variants.md]
missingness = { mode = "enumerate" }
[metric]
name = "val/auroc"
[search]
method = "random"
trials = 9
seed = 2
early_stop = { type = "asha", min_epochs = 1, eta = 3 }
[parameters]
"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-2 }
"backbone.leaves" = { distribution = "int_uniform", min = 2, max = 255 }
[replicates]
seeds = [0]
[optimizer]
weight_decay = 0.5
[run]
epochs = 9
width = 16
diagnostics = "cheap"
[analysis]
baseline = { variant = "erm" }
`

// What the host does for other backbones neither varies nor names the runs of one
// that trains by itself, and none of them is stopped before its end.
func TestCompile_endToEnd(t *testing.T) {
	p := compile(t, endToEnd)
	seen := map[string]int{}
	leaves := map[int64]bool{}
	for _, cell := range p.Cells {
		seen[cell.Cell.Backbone] += len(cell.Trials)
		if got, want := cell.Adaptive != nil, cell.Cell.Backbone == "concat"; got != want {
			t.Errorf("%s: adaptive is %v", cell.Cell, got)
		}
		if cell.Cell.Backbone != "trees" {
			continue
		}
		if cell.Budget != 9 {
			t.Errorf("a budget of %d epochs for 9 trials, want 9", cell.Budget)
		}
		for _, trial := range cell.Trials {
			s := trial.run(PhaseSearch, p.SearchSeed)
			n, _ := s.Backbone.Settings.Int("leaves")
			leaves[n] = true
			if lr, _ := s.Optimizer.Float("lr"); lr != 1e-3 || len(s.Parameters) != 1 || s.Epochs != 1 || s.Width != 64 || s.Diagnostics != DiagnosticsCheap {
				t.Errorf("got %+v", s)
			}
		}
	}
	if len(p.Cells) != 3 || seen["trees"] != 9 || len(leaves) < 5 {
		t.Errorf("got %d cells, trials %v, leaves %v", len(p.Cells), seen, leaves)
	}
	other := compile(t, edit(t, endToEnd, "weight_decay = 0.5", "weight_decay = 0.25", "width = 16", "width = 32"))
	for i, cell := range p.Cells {
		if cell.Cell.Backbone != "trees" {
			continue
		}
		for j := range cell.Trials {
			if hashOf(t, cell.Trials[j].run(PhaseSearch, 1)) != hashOf(t, other.Cells[i].Trials[j].run(PhaseSearch, 1)) {
				t.Fatal("a setting of the host's optimizer gives its runs another name")
			}
		}
	}
}
