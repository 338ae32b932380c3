package backbonetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/rng"
)

const storeRows = 40

// host opens sessions of the plugin on a feature store of its own.
type host struct {
	*suite
	plugin  sdk.Backbone
	request sdk.OpenRequest
	source  *table
	labels  []float32
}

func (s *suite) host(t *testing.T) *host {
	t.Helper()
	task := s.tasks()[0]
	c := s.config(t, task)
	source := newTable(c.Modalities, storeRows, 5, 0)
	var index features.Index
	var values []features.Values
	for m, modality := range c.Modalities {
		index.Modalities = append(index.Modalities, features.Modality{
			Name: modality.Name, Kind: features.Kind(modality.Kind), Width: modality.Width, Length: modality.Length,
		})
		v := features.Values{Data: source.values[m]}
		if modality.Kind == sdk.Sequence {
			v.Lengths = source.lengths[m]
		}
		values = append(values, v)
	}
	index.Rows = storeRows
	dir := t.TempDir()
	if err := features.Write(dir, index, values); err != nil {
		t.Fatalf("write feature store: %v", err)
	}
	return &host{
		suite:  s,
		plugin: backbone.New(s.info, s.build),
		source: source,
		labels: s.labels(task, storeRows),
		request: sdk.OpenRequest{
			FeatureStore:    dir,
			Modalities:      c.Modalities,
			Width:           c.Width,
			Task:            task,
			Hyperparameters: c.Hyperparameters,
			Optimizer:       sdk.OptimizerSettings{Name: "adam", LearningRate: 1e-2, ClipNorm: 1},
			Seed:            11,
			MaxBatch:        16,
		},
	}
}

func (h *host) open(t *testing.T) sdk.BackboneSession {
	t.Helper()
	var response sdk.OpenResponse
	if err := h.plugin.Open(context.Background(), h.request, &response); err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { response.Session.Close(context.Background(), sdk.CloseRequest{}, &sdk.CloseResponse{}) })
	return response.Session
}

// batch is the request of a step: rows and, on top of the data's own missingness,
// modality dropout are drawn from the step.
func (h *host) batch(step uint64, mode sdk.Mode) sdk.ForwardRequest {
	r := rng.Stream(6, step)
	request := sdk.ForwardRequest{Mode: mode, Step: step}
	for range 5 + r.IntN(12) {
		row := int32(r.IntN(storeRows))
		request.Rows = append(request.Rows, row)
		request.Availability = append(request.Availability, h.source.availability[row]&^(1<<uint(r.IntN(len(h.request.Modalities)))))
		if h.labels != nil && mode == sdk.Train {
			width := h.request.Task.LabelWidth()
			request.Labels = append(request.Labels, h.labels[int(row)*width:int(row+1)*width]...)
		}
	}
	return request
}

// step trains on one batch and returns h.
func (h *host) step(session sdk.BackboneSession, step uint64) ([]float32, error) {
	var forward sdk.ForwardResponse
	if err := session.Forward(context.Background(), h.batch(step, sdk.Train), &forward); err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	out := slices.Clone(forward.H.Data)
	dh := sdk.NewTensor(forward.H.Shape...)
	for i, x := range out {
		dh.Data[i] = x - float32(i%3) // towards a target, so that steps differ
	}
	var backward sdk.BackwardResponse
	if err := session.Backward(context.Background(), sdk.BackwardRequest{DH: dh}, &backward); err != nil {
		return nil, fmt.Errorf("backward: %w", err)
	}
	if !(backward.GradientNorm > 0) {
		return nil, fmt.Errorf("gradient norm is %v", backward.GradientNorm)
	}
	return out, nil
}

func (h *host) eval(session sdk.BackboneSession, step uint64) ([]float32, error) {
	var forward sdk.ForwardResponse
	if err := session.Forward(context.Background(), h.batch(step, sdk.Eval), &forward); err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	return slices.Clone(forward.H.Data), nil
}

func take(session sdk.BackboneSession) (sdk.SnapshotResponse, error) {
	var response sdk.SnapshotResponse
	err := session.Snapshot(context.Background(), sdk.SnapshotRequest{}, &response)
	return response, err
}

func put(session sdk.BackboneSession, s sdk.SnapshotResponse) error {
	return session.Restore(context.Background(), sdk.RestoreRequest(s), &sdk.RestoreResponse{})
}

// snapshot checks that a fresh session restored from a snapshot goes on with the
// same bits as the one it was taken from, and that changed parameters have effect.
func (s *suite) snapshot(t *testing.T) {
	h := s.host(t)
	first := h.open(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for step := range uint64(3) {
		_, err := h.step(first, step)
		must(err)
	}
	saved, err := take(first)
	must(err)
	again, err := take(first)
	must(err)
	if !equal(saved, again) {
		t.Error("two snapshots in a row differ")
	}
	before, err := h.eval(first, 100)
	must(err)

	second := h.open(t)
	_, err = h.step(second, 50)
	must(err)
	must(put(second, saved))
	if back, err := take(second); err != nil || !equal(saved, back) {
		t.Errorf("a restored session has another snapshot (%v)", err)
	}
	after, err := h.eval(second, 100)
	must(err)
	if !slices.Equal(before, after) {
		t.Error("a restored session gives another h")
	}
	for step := uint64(3); step < 6; step++ {
		a, err := h.step(first, step)
		must(err)
		b, err := h.step(second, step)
		must(err)
		if !slices.Equal(a, b) {
			t.Fatalf("h differs in step %d after restoring", step)
		}
	}
	one, err := take(first)
	must(err)
	two, err := take(second)
	must(err)
	if !equal(one, two) {
		t.Error("snapshots differ three steps after restoring")
	}

	changed, err := take(first)
	must(err)
	for _, p := range changed.Parameters {
		for i := range p.Tensor.Data {
			p.Tensor.Data[i] += 0.1
		}
	}
	must(put(first, changed))
	if now, err := h.eval(first, 100); err != nil || slices.Equal(now, before) {
		t.Errorf("changed parameters have no effect (%v)", err)
	}
}

func equal(a, b sdk.SnapshotResponse) bool {
	return slices.Equal(a.State, b.State) && slices.EqualFunc(a.Parameters, b.Parameters, func(x, y sdk.NamedTensor) bool {
		return x.Name == y.Name && slices.Equal(x.Tensor.Shape, y.Tensor.Shape) && slices.Equal(x.Tensor.Data, y.Tensor.Data)
	})
}

// sessions trains four sessions side by side, which must not influence each other,
// with an abandoned and an eval Forward in between.
func (s *suite) sessions(t *testing.T) {
	h := s.host(t)
	train := func(session sdk.BackboneSession, disturb bool) (sdk.SnapshotResponse, error) {
		for step := range uint64(5) {
			if disturb {
				if err := session.Forward(context.Background(), h.batch(step+70, sdk.Train), &sdk.ForwardResponse{}); err != nil {
					return sdk.SnapshotResponse{}, err
				}
				if _, err := h.eval(session, step); err != nil {
					return sdk.SnapshotResponse{}, err
				}
			}
			if _, err := h.step(session, step); err != nil {
				return sdk.SnapshotResponse{}, err
			}
		}
		return take(session)
	}
	want, err := train(h.open(t), false)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for i := range 4 {
		session := h.open(t)
		running.Go(func() {
			if got, err := train(session, i%2 == 1); err != nil || !equal(got, want) {
				t.Errorf("session %d among others differs from one alone (%v)", i, err)
			}
		})
	}
	running.Wait()

	h.request.Seed++
	other, err := take(h.open(t))
	if err != nil {
		t.Fatal(err)
	}
	h.request.Seed--
	same, err := take(h.open(t))
	if err != nil {
		t.Fatal(err)
	}
	twin, err := take(h.open(t))
	if err != nil {
		t.Fatal(err)
	}
	if !equal(same, twin) {
		t.Error("equal seeds give different initial parameters")
	}
	if equal(same, other) {
		t.Error("different seeds give the same initial parameters")
	}
}
