package sdk_test

import (
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

func TestMixResponse_byHand(t *testing.T) {
	m := sdk.MixResponse{Partner: []int32{1, 0, 2}, Share: []float32{0.75, 1, 0.5}}
	x := []float32{1, 2, 5, 10, 7, 8}
	half := []float32{2, 4, 5, 10, 7, 8}
	if got, want := m.Mixed(x, 2), slices.Concat(half, half); !slices.Equal(got, want) {
		t.Errorf("mixed: got %v, want %v", got, want)
	}
	if got, want := m.Halves(nil), []float32{0.75, 1, 0.5, 0.25, 0, 0.5}; !slices.Equal(got, want) {
		t.Errorf("halves: got %v, want %v", got, want)
	}
	if got, want := m.Halves([]float32{1, 2, 3, 4, 5, 6}), []float32{0.75, 2, 1.5, 1, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("weighted halves: got %v, want %v", got, want)
	}
	if got, want := sdk.Doubled([]int{4, 5, 6}, 1, m.Partner), []int{4, 5, 6, 5, 4, 6}; !slices.Equal(got, want) {
		t.Errorf("doubled: got %v, want %v", got, want)
	}
}

// Unmixed is the transpose of Mixed: <Mixed(x), g> = <x, Unmixed(g)>.
func TestMixResponse_Unmixed(t *testing.T) {
	m := sdk.MixResponse{Partner: []int32{2, 2, 0, 3}, Share: []float32{0.25, 0.5, 0.125, 0}}
	x, g := make([]float32, 12), make([]float32, 24)
	for i := range g {
		g[i] = float32(i*i%7) - 3
	}
	for i := range x {
		x[i] = float32(i*i%11) - 5
	}
	var left, right float64
	for i, v := range m.Mixed(x, 3) {
		left += float64(v) * float64(g[i])
	}
	for i, v := range m.Unmixed(g, 3) {
		right += float64(v) * float64(x[i])
	}
	if math.Abs(left-right) > 1e-4 {
		t.Errorf("%v and %v", left, right)
	}
}

func TestMixResponse_Check(t *testing.T) {
	nan := float32(math.NaN())
	for name, m := range map[string]sdk.MixResponse{
		"a partner too few": {Partner: []int32{0}, Share: []float32{1, 1}},
		"a share too few":   {Partner: []int32{0, 1}, Share: []float32{1}},
		"no such partner":   {Partner: []int32{0, 2}, Share: []float32{1, 1}},
		"a negative one":    {Partner: []int32{-1, 1}, Share: []float32{1, 1}},
		"a share of 2":      {Partner: []int32{0, 1}, Share: []float32{1, 2}},
		"a NaN":             {Partner: []int32{0, 1}, Share: []float32{nan, 1}},
	} {
		if err := m.Check(2); sdk.CodeOf(err) != sdk.CodeBadShape {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := (sdk.MixResponse{Partner: []int32{1, 1}, Share: []float32{0, 1}}).Check(2); err != nil {
		t.Error(err)
	}
}

func TestCheckStages(t *testing.T) {
	for _, c := range []struct {
		stages []sdk.Stage
		epochs int
		good   bool
	}{
		{nil, 1, true},
		{[]sdk.Stage{{Start: 1}}, 2, true},
		{[]sdk.Stage{{Start: 1}, {Start: 3, Restart: true}}, 4, true},
		{[]sdk.Stage{{Start: 0}}, 4, false},
		{[]sdk.Stage{{Start: 4}}, 4, false},
		{[]sdk.Stage{{Start: 2}, {Start: 2}}, 4, false},
	} {
		if err := sdk.CheckStages(c.stages, c.epochs); (err == nil) != c.good || (err != nil && sdk.CodeOf(err) != sdk.CodeBadRequest) {
			t.Errorf("%v of %d epochs: %v", c.stages, c.epochs, err)
		}
	}
}

func TestCheckPredictions(t *testing.T) {
	three := sdk.Task{Kind: sdk.Multiclass, Classes: 3}
	for _, c := range []struct {
		task sdk.Task
		data []float32
		want sdk.Code
	}{
		{sdk.Task{Kind: sdk.Binary}, []float32{0, 1}, ""},
		{sdk.Task{Kind: sdk.Binary}, []float32{0, 1.001}, sdk.CodeNotFinite},
		{sdk.Task{Kind: sdk.Binary}, []float32{0, float32(math.NaN())}, sdk.CodeNotFinite},
		{sdk.Task{Kind: sdk.Binary}, []float32{0}, sdk.CodeBadShape},
		{three, []float32{0.5, 0.25, 0.25, 1, 0, 0}, ""},
		{three, []float32{0.5, 0.25, 0.25, 0.5, 0, 0}, sdk.CodeNotFinite},
		{sdk.Task{Kind: sdk.Multilabel, Classes: 3}, []float32{1, 1, 1, 0, 0, 0}, ""},
	} {
		tensor := sdk.Tensor{Shape: []int{len(c.data) / c.task.Outputs(), c.task.Outputs()}, Data: c.data}
		if err := sdk.CheckPredictions("p", tensor, c.task, 2); sdk.CodeOf(err) != c.want {
			t.Errorf("%s %v: got %v, want code %q", c.task.Kind, c.data, err, c.want)
		}
	}
}
