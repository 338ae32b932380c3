package sweeps

import (
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
