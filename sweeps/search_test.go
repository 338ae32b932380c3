package sweeps

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGrid(t *testing.T) {
	p := compile(t, edit(t, demo(t), "method = \"random\"\ntrials = 4", `method = "grid"`,
		`"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-2 }`,
		`"optimizer.lr" = { values = [0.1, 0.01, 0.001] }
"head.dropout" = { distribution = "uniform", min = 0, max = 0.3, step = 0.1 }
"backbone.layers" = { distribution = "int_uniform", min = 1, max = 2 }
"optimizer.beta1" = { value = 0.8 }`))
	for _, c := range p.Cells {
		want := 12
		if c.Cell.Backbone == "transformer" {
			want = 24
		}
		if len(c.Trials) != want {
			t.Errorf("%s: got %d trials, want %d", c.Cell, len(c.Trials), want)
		}
	}
	got := p.Cells[0].Trials[1].Base.Parameters
	if diff := cmp.Diff(Settings{"head.dropout": 0.0, "optimizer.beta1": 0.8, "optimizer.lr": 0.01}, got); diff != "" {
		t.Errorf("second trial (-want +got):\n%s", diff)
	}
	if last := p.Cells[0].Trials[11].Base.Parameters["head.dropout"]; last != 0.3 {
		t.Errorf("got the last dropout %v, want 0.3", last)
	}
	if s := p.Summarize(nil, 1); s.Equal {
		t.Error("cells with 12 and 24 trials must not count as an equal budget")
	}
}

func TestRandom_RepetitionsAreLeftOut(t *testing.T) {
	p := compile(t, edit(t, demo(t), "trials = 4", "trials = 40",
		`{ distribution = "log_uniform", min = 1e-4, max = 1e-2 }`, `{ values = [0.1, 0.01] }`))
	for _, c := range p.Cells {
		if len(c.Trials) != 2 || c.Budget != 40 || c.Trials[0].Number != 0 {
			t.Errorf("%s: got %d trials of %d", c.Cell, len(c.Trials), c.Budget)
		}
	}
}

// Conditions on parameters, zipped parameters and constraints, down to the
// settings of the runs.
func TestSearch_Space(t *testing.T) {
	for _, method := range []string{"random", "sobol", "tpe"} {
		p := compile(t, edit(t, demo(t), `method = "random"`, `method = "`+method+`"
zip = [["run.batch_size", "run.width"]]`, "trials = 4", "trials = 40",
			`"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-2 }`, `
"optimizer.name" = { values = ["adam", "sgd"] }
"optimizer.momentum" = { distribution = "uniform", min = 0, max = 0.9, when = "optimizer.name == 'sgd' and variant != 'erm'" }
"run.batch_size" = { values = [32, 64, 128] }
"run.width" = { values = [64, 32, 16] }
"head.dropout" = { values = [0.0, 0.1, 0.5] }
[constraints]
small = "run.width < 64 or head.dropout > 0"`))
		for _, c := range p.Cells {
			conditional := 0
			for _, trial := range c.Trials {
				r := trial.Base
				_, momentum := r.Parameters["optimizer.momentum"]
				if momentum {
					conditional++
				}
				if name, _ := r.Optimizer.String("name"); momentum != (name == "sgd" && c.Cell.Variant != "erm") {
					t.Errorf("%s %s: got %v", method, c.Cell, r.Parameters)
				}
				if r.Width*r.BatchSize != 2048 {
					t.Errorf("%s %s: width %d goes with batch size %d", method, c.Cell, r.Width, r.BatchSize)
				}
				if dropout, ok := r.Head.Float("dropout"); !ok || r.Width == 64 && dropout == 0 {
					t.Errorf("%s %s: got %v", method, c.Cell, r.Parameters)
				}
			}
			if (conditional > 0) != (c.Cell.Variant != "erm") {
				t.Errorf("%s %s: %d trials have momentum", method, c.Cell, conditional)
			}
		}
	}
}

// W&B's name of the distribution means the same; values are never exponents.
func TestSearch_LogUniformValues(t *testing.T) {
	want := compile(t, demo(t)).Cells[0].Trials
	got := compile(t, edit(t, demo(t), `"log_uniform"`, `"log_uniform_values"`)).Cells[0].Trials
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What an early stop will cost is said before it begins.
func TestSummarize_EarlyStop(t *testing.T) {
	p := compile(t, edit(t, demo(t), "trials = 4", "trials = 27\nearly_stop = { type = \"asha\", min_epochs = 2, eta = 3 }"))
	s := p.Summarize(nil, 1)
	replicates := 8 * 3 * 20
	if s.WorstEpochs != 8*27*20+replicates || s.Search != 8*27 || !s.Equal {
		t.Errorf("got %+v", s)
	}
	// Of 27 trials 9 go on to epoch 6 and 3 to the end, at the least.
	if least := float64(8*(27*2+9*4+3*14) + replicates); s.ExpectedEpochs < least || s.ExpectedEpochs > 2*least {
		t.Errorf("%v epochs are expected, at least %v", s.ExpectedEpochs, least)
	}
	if plain := compile(t, demo(t)).Summarize(nil, 1); plain.ExpectedEpochs != float64(plain.WorstEpochs) {
		t.Errorf("without an early stop: got %+v", plain)
	}
	if i := slices.IndexFunc(p.Cells, func(c CellPlan) bool { return c.Adaptive == nil }); i >= 0 {
		t.Errorf("cell %s does not adapt", p.Cells[i].Cell)
	}
}
