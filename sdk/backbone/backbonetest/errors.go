package backbonetest

import (
	"context"
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

// errors checks that bad requests are refused with their code and leave the
// session in order.
func (s *suite) errors(t *testing.T) {
	h := s.host(t)
	ctx := context.Background()
	session := h.open(t)
	want := func(name string, code sdk.Code, err error) {
		t.Helper()
		if got := sdk.CodeOf(err); got != code {
			t.Errorf("%s: code %q (%v), want %q", name, got, err, code)
		}
	}
	forward := func(name string, code sdk.Code, change func(*sdk.ForwardRequest)) {
		t.Helper()
		r := h.batch(1, sdk.Train)
		change(&r)
		want(name, code, session.Forward(ctx, r, &sdk.ForwardResponse{}))
	}
	backward := func(rows, width int, value float32) error {
		dh := sdk.NewTensor(rows, width)
		for i := range dh.Data {
			dh.Data[i] = value
		}
		return session.Backward(ctx, sdk.BackwardRequest{DH: dh}, &sdk.BackwardResponse{})
	}

	want("backward first", sdk.CodeBadRequest, backward(3, h.request.Width, 0))
	forward("empty batch", sdk.CodeBadRequest, func(r *sdk.ForwardRequest) { r.Rows, r.Availability, r.Labels = nil, nil, nil })
	forward("too many rows", sdk.CodeBadRequest, func(r *sdk.ForwardRequest) {
		r.Rows, r.Availability = make([]int32, h.request.MaxBatch+1), make([]uint64, h.request.MaxBatch+1)
	})
	forward("row beyond the store", sdk.CodeBadRequest, func(r *sdk.ForwardRequest) { r.Rows[1] = storeRows })
	forward("negative row", sdk.CodeBadRequest, func(r *sdk.ForwardRequest) { r.Rows[1] = -1 })
	forward("unknown modality", sdk.CodeBadRequest, func(r *sdk.ForwardRequest) {
		r.Availability[0] |= 1 << uint(len(h.request.Modalities))
	})
	forward("availability of another length", sdk.CodeBadShape, func(r *sdk.ForwardRequest) { r.Availability = r.Availability[1:] })
	forward("unknown mode", sdk.CodeBadRequest, func(r *sdk.ForwardRequest) { r.Mode = 9 })
	if s.info.Capabilities.NeedsLabels {
		forward("no labels", sdk.CodeBadShape, func(r *sdk.ForwardRequest) { r.Labels = nil })
		forward("a label that is no class", sdk.CodeBadRequest, func(r *sdk.ForwardRequest) { r.Labels[0] = 17 })
	}
	want("backward after a refused forward", sdk.CodeBadRequest, backward(3, h.request.Width, 0))

	rows := len(h.batch(1, sdk.Train).Rows)
	forward("training", "", func(*sdk.ForwardRequest) {})
	want("dh with a row too many", sdk.CodeBadShape, backward(rows+1, h.request.Width, 0))
	want("dh with a column too few", sdk.CodeBadShape, backward(rows, h.request.Width-1, 0))
	want("dh of NaN", sdk.CodeNotFinite, backward(rows, h.request.Width, float32(math.NaN())))
	want("dh at last", "", backward(rows, h.request.Width, 1))
	want("second backward", sdk.CodeBadRequest, backward(rows, h.request.Width, 1))
	forward("eval", "", func(r *sdk.ForwardRequest) { r.Mode, r.Labels = sdk.Eval, nil })
	want("backward after eval", sdk.CodeBadRequest, backward(rows, h.request.Width, 1))

	saved, err := take(session)
	want("snapshot", "", err)
	broken := saved
	broken.State = saved.State[:len(saved.State)/2]
	want("half a state", sdk.CodeBadRequest, put(session, broken))
	broken = saved
	broken.Parameters = saved.Parameters[1:]
	want("a parameter missing", sdk.CodeBadRequest, put(session, broken))
	want("restore", "", put(session, saved))

	open := func(name string, change func(*sdk.OpenRequest)) {
		t.Helper()
		r := h.request
		change(&r)
		var response sdk.OpenResponse
		want(name, sdk.CodeBadRequest, h.plugin.Open(ctx, r, &response))
	}
	open("width 0", func(r *sdk.OpenRequest) { r.Width = 0 })
	open("max batch 0", func(r *sdk.OpenRequest) { r.MaxBatch = 0 })
	open("no modality", func(r *sdk.OpenRequest) { r.Modalities = nil })
	open("unknown modality", func(r *sdk.OpenRequest) {
		r.Modalities = []sdk.Modality{{Name: "absent", Kind: sdk.Tabular, Width: 2}}
	})
	open("another width", func(r *sdk.OpenRequest) {
		m := r.Modalities[0]
		m.Width++
		r.Modalities = []sdk.Modality{m}
	})
	open("no store", func(r *sdk.OpenRequest) { r.FeatureStore += "/absent" })
	open("unknown hyperparameter", func(r *sdk.OpenRequest) { r.Hyperparameters = map[string]any{"no_such": 1.0} })
	open("unknown optimiser", func(r *sdk.OpenRequest) { r.Optimizer.Name = "guess" })
	open("no task", func(r *sdk.OpenRequest) { r.Task = sdk.Task{} })

	want("close", "", session.Close(ctx, sdk.CloseRequest{}, &sdk.CloseResponse{}))
	forward("forward after close", sdk.CodeClosed, func(*sdk.ForwardRequest) {})
}
