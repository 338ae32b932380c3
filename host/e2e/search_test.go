package e2e

import (
	"strings"
	"testing"
)

// A search with an early stop, on real rows and with a real plugin: it pauses for
// its budget, goes on, ends the poorer trials at the rungs without looking at a
// test row, and those that it promoted have the bits of an uninterrupted training.
func TestRun_ASHA(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	text := `version = 1
name = "asha"
[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = ["erm", "md"]
[variants.erm]
[variants.md]
missingness = { mode = "enumerate" }
[data]
split = { scheme = "holdout", by = "patient", fractions = [0.6, 0.2, 0.2] }
[metric]
name = "val/auroc"
[search]
method = "sobol"
trials = 6
early_stop = { type = "asha", min_epochs = 1, eta = 2 }
[parameters]
"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-1 }
"head.dropout" = { values = [0.0, 0.2], when = "optimizer.lr > 0.001" }
[replicates]
seeds = [0]
[run]
epochs     = 4
batch_size = 128
width      = 16
[analysis]
baseline = { variant = "erm" }
[budget]
runs = 3
`
	file := h.write("asha.toml", text)
	if plan := h.must("plan", file); !strings.Contains(plan.out, "epochs are expected, 56 at most") {
		t.Errorf("got the plan\n%s", plan.out)
	}
	if paused := h.expect(5, "run", file); !strings.Contains(paused.out, "the budget of 3 runs is used up") {
		t.Errorf("got %s", paused.out)
	}
	h.write("asha.toml", strings.Replace(text, "runs = 3", "runs = 100", 1))
	h.must("run", file)
	type status struct {
		Done, Pruned, Failed int
		Finished             bool
		Rungs                []struct{ Epoch, Reached, Passed, Pruned int }
	}
	s := decode[status](t, h.must("sweep", "status", "--json", "asha"))
	if !s.Finished || s.Failed != 0 || s.Pruned == 0 || s.Done+s.Pruned != 2*6+2 || len(s.Rungs) != 2 || s.Rungs[0].Reached != 12 ||
		s.Rungs[0].Passed+s.Rungs[0].Pruned != 12 {
		t.Errorf("got %+v", s)
	}
	if out := h.must("sweep", "status", "asha").out; !strings.Contains(out, "rung at epoch 1: 12 trials reached it") {
		t.Errorf("got %s", out)
	}
	tested := h.sqlRows(`select count(*) filter (where state = 'pruned' and run_id in (select run_id from results)),
		count(*) filter (where state = 'pruned' and run_id in (select run_id from all_predictions)),
		count(*) filter (where state = 'pruned' and stop_reason = 'asha' and epoch in (1, 2)), min(run_id) filter (where state = 'done' and phase = 'search')
		from runs`)[0]
	if tested[0].(float64) != 0 || tested[1].(float64) != 0 || tested[2].(float64) != float64(s.Pruned) {
		t.Errorf("pruned trials with results, with predictions, at a rung: %v", tested)
	}
	if rows := h.sqlRows(`select event, count(*) from decisions group by 1`); len(rows) < 3 {
		t.Errorf("got decisions %v", rows)
	}
	again := decode[struct {
		Same    bool
		Results int
	}](t, h.must("runs", "rerun", "--json", itoa(int(tested[3].(float64)))))
	if !again.Same || again.Results == 0 {
		t.Errorf("trained again in one go: %+v", again)
	}
	if out := h.must("sweep", "extend", file, "--seeds", "0,1").out; !strings.Contains(out, "seeds = [0, 1]") || !strings.Contains(out, "2 new runs wait") {
		t.Errorf("got %s", out)
	}
	h.must("run", file)
	if s = decode[status](t, h.must("sweep", "status", "--json", "asha")); !s.Finished || s.Done+s.Pruned != 2*6+4 {
		t.Errorf("extended: got %+v", s)
	}
	h.expect(2, "sweep", "extend", file, "--seeds", "1")
	h.expect(3, "sweep", "extend", file, "--trials", "2")
	if out := h.must("compare", "asha", "--resamples", "50").out; strings.Contains(out, "lost") {
		t.Errorf("pruned trials count as lost:\n%s", out)
	}
}
