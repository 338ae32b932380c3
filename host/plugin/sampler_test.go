package plugin

import (
	"context"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

var proposal = sdk.ProposeRequest{
	Dimensions: []sdk.Dimension{{Name: "kind", Kind: sdk.Choice, Values: []any{"a", "b"}}, {Name: "lr", Kind: sdk.LogUniform, Min: 0.1, Max: 1}},
	Epochs:     3, Number: 1, Seed: 7, Trials: []sdk.Trial{{Number: 0, State: sdk.TrialPending, Point: sdk.Values{"lr": 0.5}}},
}

func propose(ctx context.Context, pool *Pool, e Entry, mode string) (sdk.Values, error) {
	req := proposal
	req.Hyperparameters = sdk.Values{"mode": mode}
	var resp sdk.ProposeResponse
	err := pool.Propose(ctx, e, req, &resp)
	return resp.Point, err
}

// Whatever a sampler answers, the host gets a point of the space or an error that names
// it, and the next proposal has a process.
func TestPool_Propose(t *testing.T) {
	e := install(t, t.TempDir(), "sampler", "sampler-x")
	c := &clock{}
	pool := NewPool(PoolConfig{Process: Config{Timeouts: Timeouts{Step: 300 * time.Millisecond}}, Clock: c})
	defer pool.Close()
	point, err := propose(t.Context(), pool, e, "")
	if err != nil || len(point) != 2 || point["lr"] != 0.5 || point["kind"] != "b" {
		t.Fatalf("got %v, %v", point, err)
	}
	for mode, want := range map[string]struct {
		code sdk.Code
		text string
	}{
		"nan":     {sdk.CodeNotFinite, "lr is NaN"},
		"outside": {sdk.CodeBadShape, "lr is 1.5, outside 0.1 to 1"},
		"type":    {sdk.CodeBadShape, "it takes a number"},
		"choice":  {sdk.CodeBadShape, "kind is 1 (int64)"},
		"fewer":   {sdk.CodeBadShape, "no value of kind"},
		"more":    {sdk.CodeBadShape, "secret"},
		"none":    {sdk.CodeBadShape, "no value"},
		"large":   {sdk.CodeMessageTooLarge, "the limit is"},
		"panic":   {sdk.CodePanic, "sampler.go"},
		"error":   {sdk.CodeBadRequest, "the space is too small"},
	} {
		_, err := propose(t.Context(), pool, e, mode)
		wants(t, err, want.code, "sampler sampler-x", want.text)
	}
	for mode, want := range map[string]sdk.Code{"hang": sdk.CodeDeadline, "exit": sdk.CodePluginCrash} {
		_, err := propose(t.Context(), pool, e, mode)
		wants(t, err, want, "sampler sampler-x")
		if point, err := propose(t.Context(), pool, e, ""); err != nil || point["kind"] != "b" {
			t.Errorf("after %s: got %v, %v", mode, point, err)
		}
	}
	if _, err := propose(t.Context(), pool, install(t, t.TempDir(), "backbone", "misbehave"), ""); sdk.CodeOf(err) != sdk.CodeBadRequest {
		t.Errorf("a backbone: got %v", err)
	}
}

// A caller that gives up goes on at once, and a plugin that hangs is killed all the same.
func TestPool_ProposeCanceled(t *testing.T) {
	e := install(t, t.TempDir(), "sampler", "sampler-x")
	p, err := Start(t.Context(), e, Config{Timeouts: Timeouts{Step: 500 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	req := proposal
	req.Hyperparameters = sdk.Values{"mode": "hang"}
	err = p.Propose(ctx, req, &sdk.ProposeResponse{})
	wants(t, err, sdk.CodeCanceled)
	gone(t, p)
	wants(t, p.Err(), sdk.CodeDeadline, "propose")
}
