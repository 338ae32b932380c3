package backbone_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name: "example", Version: "0.0.0",
	Hyperparameters: []sdk.Hyperparameter{{Name: "dropout", Type: sdk.Float, Default: 0.25, Min: 0, Max: 0.9}},
	Capabilities:    sdk.Capabilities{NeedsLabels: true, BatchIndependent: true, Deterministic: true},
}

// model is a sum of linear maps of the observed modalities and of the steps of a
// sequence, with an auxiliary loss on the first column and the size of the last batch as state.
type model struct {
	params  nn.Params
	config  backbone.Config
	maps    []*nn.Linear
	size    uint64
	onClose func()
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	m := &model{config: c}
	for _, modality := range c.Modalities {
		in := modality.Width * max(modality.Length, 1)
		m.maps = append(m.maps, nn.NewLinear(&m.params, modality.Name, in, c.Width, c.Rand(modality.Name)))
	}
	return m
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	h := t.Const(b.Size, m.config.Width, make([]float32, b.Size*m.config.Width))
	for i, l := range m.maps {
		rows := b.Observed(i)
		if rows == nil {
			continue
		}
		x := t.Const(len(rows), l.Weight.Rows, b.Features(i, rows))
		if m.config.Modalities[i].Kind == sdk.Sequence {
			steps := make([]float32, len(rows))
			for j, n := range b.Lengths(i, rows) {
				steps[j] = 1 / float32(n)
			}
			x = t.MulRows(x, t.Const(len(rows), 1, steps))
		}
		h = t.Add(h, t.Scatter(t.Tanh(l.Apply(t, t.Dropout(x, m.config.Float("dropout"), b.Rand))), rows, b.Size))
	}
	if !b.Train {
		return h, nil
	}
	m.size = uint64(b.Size)
	first := t.Slice(h, 0, 1)
	loss := t.MatMul(t.Const(1, b.Size, slices.Repeat([]float32{1 / float32(b.Size)}, b.Size)), t.Mul(first, first))
	return h, []backbone.Term{{Name: "first", Weight: 0.5, Value: loss}}
}

func (m *model) State() []byte { return binary.LittleEndian.AppendUint64(nil, m.size) }

func (m *model) SetState(state []byte) error {
	if len(state) != 8 {
		return errors.New("not eight bytes")
	}
	m.size = binary.LittleEndian.Uint64(state)
	return nil
}

func (m *model) Close() error {
	if m.onClose != nil {
		m.onClose()
	}
	return nil
}

func TestFromTape(t *testing.T) { backbonetest.Run(t, info, build) }

func TestSession_Terms(t *testing.T) {
	closed := 0
	session := open(t, func(c backbone.Config) (backbone.Model, error) {
		m := newModel(c)
		m.onClose = func() { closed++ }
		return backbone.FromTape(m), nil
	}, "sgd")
	ctx := context.Background()
	request := sdk.ForwardRequest{
		Rows: []int32{0, 2}, Availability: []uint64{1, 1}, Mode: sdk.Train, Labels: []float32{0, 1},
	}
	var forward sdk.ForwardResponse
	if err := session.Forward(ctx, request, &forward); err != nil {
		t.Fatal(err)
	}
	want := 0.5 * (square(forward.H.Data[0]) + square(forward.H.Data[3])) / 2
	var backward sdk.BackwardResponse
	if err := session.Backward(ctx, sdk.BackwardRequest{DH: sdk.NewTensor(2, 3)}, &backward); err != nil {
		t.Fatal(err)
	}
	if len(backward.Terms) != 1 || backward.Terms[0].Name != "first" || math.Abs(backward.Terms[0].Value-want) > 1e-6 {
		t.Errorf("terms %v, want first = %v", backward.Terms, want)
	}
	for range 2 {
		if err := session.Close(ctx, sdk.CloseRequest{}, &sdk.CloseResponse{}); err != nil {
			t.Fatal(err)
		}
	}
	if closed != 1 {
		t.Errorf("the model was closed %d times, want once", closed)
	}
}

// TestSession_Step checks the step itself: with sgd, the change of the parameters
// is the gradient times the learning rate, and the norm is that of the gradient.
func TestSession_Step(t *testing.T) {
	session := open(t, build, "sgd")
	ctx := context.Background()
	var before, after sdk.SnapshotResponse
	if err := session.Snapshot(ctx, sdk.SnapshotRequest{}, &before); err != nil {
		t.Fatal(err)
	}
	request := sdk.ForwardRequest{Rows: []int32{1}, Availability: []uint64{1}, Mode: sdk.Train, Labels: []float32{1}}
	if err := session.Forward(ctx, request, &sdk.ForwardResponse{}); err != nil {
		t.Fatal(err)
	}
	dh := sdk.NewTensor(1, 3)
	dh.Data[2] = 1
	var backward sdk.BackwardResponse
	if err := session.Backward(ctx, sdk.BackwardRequest{DH: dh}, &backward); err != nil {
		t.Fatal(err)
	}
	if err := session.Snapshot(ctx, sdk.SnapshotRequest{}, &after); err != nil {
		t.Fatal(err)
	}
	var sum float64
	for i, p := range before.Parameters {
		for j, v := range p.Tensor.Data {
			sum += square((after.Parameters[i].Tensor.Data[j] - v) / learningRate)
		}
	}
	if norm := math.Sqrt(sum); math.Abs(norm-backward.GradientNorm) > 1e-4*norm || norm == 0 {
		t.Errorf("gradient norm %v, the step says %v", backward.GradientNorm, norm)
	}
}

func TestSession_ErrNotFinite(t *testing.T) {
	session := open(t, func(c backbone.Config) (backbone.Model, error) {
		m := newModel(c)
		for i := range m.params.All()[0].Value {
			m.params.All()[0].Value[i] = float32(math.NaN())
		}
		return backbone.FromTape(m), nil
	}, "sgd")
	request := sdk.ForwardRequest{Rows: []int32{1}, Availability: []uint64{1}}
	if err := session.Forward(context.Background(), request, &sdk.ForwardResponse{}); sdk.CodeOf(err) != sdk.CodeNotFinite {
		t.Errorf("got %v, want code not_finite", err)
	}
}

func square(x float32) float64 { return float64(x) * float64(x) }

// TestSession_ResetOptimizer takes two steps of adam: without the moments of the
// first, the second goes elsewhere.
func TestSession_ResetOptimizer(t *testing.T) {
	ctx := context.Background()
	after := map[bool]sdk.SnapshotResponse{}
	for _, reset := range []bool{false, true} {
		session := open(t, build, "adam")
		for step := range 2 {
			request := sdk.ForwardRequest{Rows: []int32{1}, Availability: []uint64{1}, Mode: sdk.Train, Labels: []float32{1}}
			if err := session.Forward(ctx, request, &sdk.ForwardResponse{}); err != nil {
				t.Fatal(err)
			}
			dh := sdk.NewTensor(1, 3)
			dh.Data[2] = float32(1 - 3*step)
			backward := sdk.BackwardRequest{DH: dh, ResetOptimizer: reset && step == 1}
			if err := session.Backward(ctx, backward, &sdk.BackwardResponse{}); err != nil {
				t.Fatal(err)
			}
		}
		var snapshot sdk.SnapshotResponse
		if err := session.Snapshot(ctx, sdk.SnapshotRequest{}, &snapshot); err != nil {
			t.Fatal(err)
		}
		after[reset] = snapshot
	}
	for i, p := range after[false].Parameters {
		if !slices.Equal(p.Tensor.Data, after[true].Parameters[i].Tensor.Data) {
			return
		}
	}
	t.Error("the second step is the same with and without the moments of the first")
}
