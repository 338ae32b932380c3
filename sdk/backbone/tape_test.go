package backbone_test

import (
	"context"
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/nn"
)

// biased has h = 0 and the losses (b - row)² of rows 1 and 2 of a batch.
type biased struct {
	params nn.Params
	bias   *nn.Param
}

func (m *biased) Params() *nn.Params { return &m.params }

func (m *biased) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	miss := t.Sub(t.Repeat(t.Param(m.bias), 2), t.Const(2, 1, []float32{1, 2}))
	h := t.Const(b.Size, 1, make([]float32, b.Size))
	return h, []backbone.Term{{Name: "miss", Weight: 0.5, Rows: t.Square(miss), Of: []int32{1, 2}}}
}

// A term of rows is their mean with the weights of Backward, and so is its gradient.
func TestSession_WeightsRows(t *testing.T) {
	dir := t.TempDir()
	index := features.Index{Rows: 3, Modalities: []features.Modality{{Name: "labs", Kind: features.Tabular, Width: 1}}}
	if err := features.Write(dir, index, []features.Values{{Data: []float32{0, 0, 0}}}); err != nil {
		t.Fatal(err)
	}
	var m *biased
	plugin := backbone.New(sdk.Info{Name: "biased", Version: "0.0.0"}, func(backbone.Config) (backbone.Model, error) {
		m = &biased{}
		m.bias = m.params.New("bias", 1, 1, nil)
		return backbone.FromTape(m), nil
	})
	var opened sdk.OpenResponse
	if err := plugin.Open(context.Background(), sdk.OpenRequest{
		FeatureStore: dir, Modalities: []sdk.Modality{{Name: "labs", Kind: sdk.Tabular, Width: 1}}, Width: 1, MaxBatch: 3,
		Task: sdk.Task{Kind: sdk.Binary}, Optimizer: sdk.OptimizerSettings{Name: "sgd", LearningRate: 1},
	}, &opened); err != nil {
		t.Fatal(err)
	}
	defer opened.Session.Close(context.Background(), sdk.CloseRequest{}, &sdk.CloseResponse{})

	for _, c := range []struct {
		name            string
		weights         []float32
		value, gradient float64
		code            sdk.Code
	}{
		{name: "none", value: 0.5 * (1 + 4) / 2, gradient: 0.5 * -2 * (1 + 2) / 2},
		{name: "some", weights: []float32{9, 3, 1}, value: 0.5 * (3*1 + 1*4) / 4, gradient: 0.5 * -2 * (3*1 + 1*2) / 4},
		{name: "zero", weights: []float32{1, 0, 0}},
		{name: "too few", weights: []float32{1, 1}, code: sdk.CodeBadShape},
		{name: "negative", weights: []float32{1, -1, 1}, code: sdk.CodeNotFinite},
		{name: "NaN", weights: []float32{1, 1, float32(math.NaN())}, code: sdk.CodeNotFinite},
	} {
		m.bias.Value[0] = 0
		request := sdk.ForwardRequest{Rows: []int32{0, 1, 2}, Availability: []uint64{1, 1, 1}, Mode: sdk.Train}
		if err := opened.Session.Forward(context.Background(), request, &sdk.ForwardResponse{}); err != nil {
			t.Fatal(err)
		}
		var response sdk.BackwardResponse
		err := opened.Session.Backward(context.Background(), sdk.BackwardRequest{DH: sdk.NewTensor(3, 1), Weights: c.weights}, &response)
		if code := sdk.CodeOf(err); code != c.code {
			t.Errorf("weights %s: code %q (%v), want %q", c.name, code, err, c.code)
		}
		if err != nil {
			continue
		}
		if got := response.Terms[0].Value; math.Abs(got-c.value) > 1e-6 {
			t.Errorf("weights %s: the term is %v, want %v", c.name, got, c.value)
		}
		if got := -float64(m.bias.Value[0]); math.Abs(got-c.gradient) > 1e-6 {
			t.Errorf("weights %s: the gradient is %v, want %v", c.name, got, c.gradient)
		}
	}
}
