package strategytest

import (
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// mixed compares the objective of a mixed batch and its gradient with respect to h.
// The head is linear, so that both go through the mixing as they do in the host.
func (s step) mixed(t *testing.T, n int, c fixture, task sdk.Task, labels []float32, session sdk.StrategySession) {
	t.Helper()
	mix := sdk.MixResponse{Partner: s.Partner, Share: s.Share}
	rows := len(s.Rows)
	if err := mix.Check(rows); err != nil {
		t.Fatal(err)
	}
	outputs := task.Outputs()
	h := mix.Mixed(s.H, c.Width)
	logits := make([]float64, 2*rows*outputs)
	for i := range logits {
		for k := range c.Width {
			logits[i] += float64(h[i/outputs*c.Width+k]) * float64(s.Weights[k*outputs+i%outputs])
		}
	}
	halves := step{Step: s.Step, Rows: sdk.Doubled(s.Rows, 1, s.Partner), H: h, Logits: strategy.Narrow(logits)}
	req := halves.request(c, task, labels)
	var resp sdk.ObjectiveResponse
	if err := session.Objective(t.Context(), req, &resp); err != nil {
		t.Fatalf("step %d: %v", n, err)
	}
	resp.Weights = mix.Halves(resp.Weights)
	loss, dlogits := objective(task, req, resp)
	near(t, n, "objective", []float64{loss}, []float64{s.Loss})
	gradient := make([]float64, 2*rows*c.Width)
	copy(gradient, widen(resp.DH.Data, len(gradient)))
	for i, g := range dlogits {
		for k := range c.Width {
			gradient[i/outputs*c.Width+k] += g * float64(s.Weights[k*outputs+i%outputs])
		}
	}
	dh := mix.Unmixed(strategy.Narrow(gradient), c.Width)
	near(t, n, "gradient with respect to h", widen(dh, len(dh)), s.DH)
}
