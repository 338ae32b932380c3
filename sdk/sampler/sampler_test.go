package sampler_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
	"github.com/deconfound/deconfound/sdk/sampler"
)

var info = sdk.Info{
	Name: "walk", Version: "1.0.0", Licence: "Apache-2.0",
	Hyperparameters: []sdk.Hyperparameter{{Name: "startup", Type: sdk.Int, Default: 4, Min: 0, Max: 100}},
}

// walk changes one parameter of the best trial.
func walk(req sdk.ProposeRequest) (sdk.Values, error) {
	point := sdk.Values{}
	for _, d := range req.Dimensions {
		point[d.Name] = sampler.At(d, sampler.Rand(req, d.Name).Float64())
	}
	best := -1
	for i, t := range req.Trials {
		if t.State == sdk.TrialDone && !math.IsNaN(t.Value) && (best < 0 || t.Value != req.Trials[best].Value && (t.Value > req.Trials[best].Value) == req.Maximize) {
			best = i
		}
	}
	if best < 0 || req.Number < req.Hyperparameters.Int("startup") || len(req.Dimensions) == 0 {
		return point, nil
	}
	changed := sampler.Rand(req, "which").IntN(len(req.Dimensions))
	for i, d := range req.Dimensions {
		if v, ok := req.Trials[best].Point[d.Name]; ok && i != changed {
			point[d.Name] = v
		}
	}
	return point, nil
}

func TestContract(t *testing.T) { plugintest.Sampler(t, sampler.New(info, walk)) }

func TestAt(t *testing.T) {
	d := sdk.Dimension{Name: "w", Kind: sdk.IntUniform, Min: 8, Max: 60, Step: 16}
	var got []any
	for _, u := range []float64{0, 0.24, 0.25, 0.5, 0.75, 0.9999} {
		got = append(got, sampler.At(d, u))
	}
	if want := []any{int64(8), int64(8), int64(24), int64(40), int64(56), int64(56)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	lr := sdk.Dimension{Kind: sdk.LogUniform, Min: 1e-4, Max: 1e-2}
	if x, ok := sampler.At(lr, 0.5).(float64); !ok || math.Abs(x-1e-3) > 1e-12 {
		t.Errorf("got %v, want the geometric mean 1e-3", x)
	}
}

// What an author does wrong has a code before it leaves the plugin.
func TestNew_wrongPoint(t *testing.T) {
	req := sdk.ProposeRequest{Dimensions: []sdk.Dimension{{Name: "lr", Kind: sdk.Uniform, Min: 0, Max: 1}}}
	for want, v := range map[sdk.Code]any{sdk.CodeNotFinite: math.NaN(), sdk.CodeBadShape: 2.0} {
		s := sampler.New(info, func(sdk.ProposeRequest) (sdk.Values, error) { return sdk.Values{"lr": v}, nil })
		if err := s.Propose(context.Background(), req, &sdk.ProposeResponse{}); sdk.CodeOf(err) != want {
			t.Errorf("%v: got %v, want code %s", v, err, want)
		}
	}
}
