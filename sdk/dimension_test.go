package sdk_test

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

func TestDimension_Check(t *testing.T) {
	choice := sdk.Dimension{Name: "c", Kind: sdk.Choice, Values: []any{"a", int64(2), 0.5, true}}
	lr := sdk.Dimension{Name: "lr", Kind: sdk.LogUniform, Min: 1e-4, Max: 0.1}
	width := sdk.Dimension{Name: "w", Kind: sdk.IntUniform, Min: 8, Max: 62, Step: 8}
	rate := sdk.Dimension{Name: "r", Kind: sdk.Uniform, Min: 0, Max: 0.5, Step: 0.1}
	for _, c := range []struct {
		d    sdk.Dimension
		v    any
		want any
		code sdk.Code
	}{
		{choice, "a", "a", ""},
		{choice, 2.0, int64(2), ""},
		{choice, true, true, ""},
		{choice, "b", nil, sdk.CodeBadShape},
		{choice, math.NaN(), nil, sdk.CodeBadShape},
		{choice, nil, nil, sdk.CodeBadShape},
		{lr, 1e-4, 1e-4, ""},
		{lr, 0.2, nil, sdk.CodeBadShape},
		{lr, "fast", nil, sdk.CodeBadShape},
		{lr, math.NaN(), nil, sdk.CodeNotFinite},
		{lr, math.Inf(1), nil, sdk.CodeNotFinite},
		{width, 16.0, int64(16), ""},
		{width, int64(56), int64(56), ""},
		{width, int64(60), nil, sdk.CodeBadShape},
		{width, 16.5, nil, sdk.CodeBadShape},
		{rate, 0.30000000000000004, 0.30000000000000004, ""},
		{rate, 0.35, nil, sdk.CodeBadShape},
	} {
		got, err := c.d.Check(c.v)
		if got != c.want || sdk.CodeOf(err) != c.code {
			t.Errorf("%s of %v: got %v (%T), %v; want %v", c.d.Name, c.v, got, got, err, c.want)
		}
	}
}

func TestProposeRequest_CheckPoint(t *testing.T) {
	req := sdk.ProposeRequest{Dimensions: []sdk.Dimension{{Name: "lr", Kind: sdk.Uniform, Min: 0, Max: 1}, {Name: "k", Kind: sdk.IntUniform, Min: 1, Max: 3, Step: 1}}}
	if got, err := req.CheckPoint(sdk.Values{"lr": int64(1), "k": 2.0}); err != nil || got["lr"] != 1.0 || got["k"] != int64(2) {
		t.Errorf("got %v, %v", got, err)
	}
	for name, point := range map[string]sdk.Values{
		"too few":  {"lr": 0.5},
		"too many": {"lr": 0.5, "k": int64(1), "x": 1.0},
		"none":     nil,
	} {
		if _, err := req.CheckPoint(point); sdk.CodeOf(err) != sdk.CodeBadShape {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
