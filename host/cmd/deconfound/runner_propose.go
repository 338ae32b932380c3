package main

import (
	"context"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/sweeps/search"
)

// propose is the sweeps.ProposeFunc of this program.
func (r *runner) propose(ctx context.Context, ask search.Ask) (map[string]any, error) {
	found, err := r.plugin(ctx, sdk.KindSampler, sweeps.PluginRef{Name: ask.Plugin.Name, Version: ask.Plugin.Version, Hash: ask.Plugin.Hash})
	if code := sdk.CodeOf(err); code == sdk.CodePluginUnknown || code == sdk.CodePluginAltered {
		return nil, fmt.Errorf("%w: %w", sweeps.ErrLacksSampler, err)
	}
	if err != nil {
		return nil, err
	}
	var resp sdk.ProposeResponse
	if err := r.pool.Propose(ctx, found.entry, proposeRequest(ask), &resp); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, sdk.CodeOf(err))
	}
	return resp.Point, nil
}

// trialStates are the states of trials as samplers know them.
var trialStates = map[search.State]sdk.TrialState{
	search.Done: sdk.TrialDone, search.Pruned: sdk.TrialPruned, search.Failed: sdk.TrialFailed,
}

// proposeRequest is what a search asks, in the words of the plugin contract.
func proposeRequest(ask search.Ask) sdk.ProposeRequest {
	req := sdk.ProposeRequest{
		Hyperparameters: ask.Plugin.Settings, Maximize: ask.Goal == "maximize", Epochs: ask.Epochs, Number: ask.Number, Seed: ask.Seed,
	}
	for _, d := range ask.Dimensions {
		out := sdk.Dimension{
			Name: d.Name, Kind: sdk.DimensionKind(d.Kind), Values: d.Values, Min: d.Min, Max: d.Max, Step: d.Step, Conditional: d.When != "",
		}
		if out.Kind == sdk.LogUniform {
			out.Step = 0 // the search rounds to it
		}
		req.Dimensions = append(req.Dimensions, out)
	}
	for _, t := range ask.Trials {
		state, ended := trialStates[t.State]
		if !ended {
			state = sdk.TrialPending
		}
		req.Trials = append(req.Trials, sdk.Trial{Number: t.Number, State: state, Point: sdk.Values(t.Point), Epoch: t.Epoch, Value: t.Value})
	}
	for _, p := range ask.Refused {
		req.Refused = append(req.Refused, sdk.Values(p))
	}
	return req
}
