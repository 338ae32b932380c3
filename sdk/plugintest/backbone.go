package plugintest

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

const (
	hWidth    = 6  // of h
	batchRows = 16 // the largest batch
)

// backbones is the suite for one backbone.
type backbones struct {
	*suite
	plugin sdk.Backbone
	table  *table
	store  string // the table as a feature store
}

// CheckBackbone runs the suite on a backbone: a value of this process or one that
// stands for another process. It answers one result a check.
func CheckBackbone(ctx context.Context, plugin sdk.Backbone, options Options) []Result {
	b := &backbones{suite: newSuite(ctx, options), plugin: plugin}
	return b.all(b.checks())
}

func (b *backbones) checks() []check {
	return []check{
		{"info", b.checkInfo},
		{"hyperparameters", b.checkHyperparameters},
		{"shape", b.checkShape},
		{"determinism", b.checkDeterminism},
		{"availability", b.checkAvailability},
		{"mask", b.checkMask},
		{"erasure", b.checkErasure},
		{"gradients", b.checkGradients},
		{"parameters", b.checkParameters},
		{"rows", b.checkRows},
		{"batch", b.checkBatch},
		{"snapshot", b.checkSnapshot},
		{"sessions", b.checkSessions},
		{"slices", b.checkSlices},
		{"refusals", b.checkRefusals},
		{"wire", b.checkWire},
		{"cancel", b.checkCancel},
		{"close", b.checkClose},
		{"restart", b.checkRestart},
		{"resources", b.checkResources},
		{"host", b.checkHost},
	}
}

// checkInfo checks the description, and makes the data that fit it.
func (b *backbones) checkInfo(p *probe) {
	b.describes(p, sdk.KindBackbone, b.plugin.Info)
	b.table = newTable(b.info.Capabilities)
	if len(b.table.modalities) == 0 {
		p.fatalf("capabilities name no known modality kind: %v", b.info.Capabilities.ModalityKinds)
	}
	b.store = filepath.Join(b.dir, "store")
	p.must(b.table.write(b.store), "write a feature store")
}

// request is the usual one: Adam, the first task, the hyperparameters of the
// options.
func (b *backbones) request(p *probe) sdk.OpenRequest {
	values, err := b.values(nil)
	p.must(err, "complete the hyperparameters")
	return sdk.OpenRequest{
		FeatureStore:    b.store,
		Modalities:      b.table.modalities,
		Width:           hWidth,
		Task:            b.tasks()[0],
		Hyperparameters: values,
		Optimizer:       sdk.OptimizerSettings{Name: "adam", LearningRate: 1e-2},
		Seed:            11,
		MaxBatch:        batchRows,
	}
}

// open opens a session that is closed after the check.
func (b *backbones) open(p *probe, req sdk.OpenRequest) *backbone {
	s, err := b.tryOpen(req)
	p.must(err, "open a session")
	p.cleanup(func() { _ = s.close() })
	return s
}

func (b *backbones) tryOpen(req sdk.OpenRequest) (*backbone, error) {
	var resp sdk.OpenResponse
	if err := b.call("Open", func(ctx context.Context) error { return b.plugin.Open(ctx, req, &resp) }); err != nil {
		return nil, err
	}
	if resp.Session == nil {
		return nil, sdk.Errorf(sdk.CodeInternal, "Open returned neither a session nor an error")
	}
	return &backbone{suite: b, session: resp.Session, task: req.Task}, nil
}

// backbone is an open session. What its methods return are copies.
type backbone struct {
	suite   *backbones
	session sdk.BackboneSession
	task    sdk.Task
}

// forward sends a copy of the request.
func (s *backbone) forward(req sdk.ForwardRequest) (sdk.ForwardResponse, error) {
	req.Rows, req.Availability, req.Labels = slices.Clone(req.Rows), slices.Clone(req.Availability), slices.Clone(req.Labels)
	return s.forwardShared(req)
}

// forwardShared sends the slices of the request as they are.
func (s *backbone) forwardShared(req sdk.ForwardRequest) (sdk.ForwardResponse, error) {
	var resp sdk.ForwardResponse
	err := s.suite.call("Forward", func(ctx context.Context) error { return s.session.Forward(ctx, req, &resp) })
	if err != nil {
		return sdk.ForwardResponse{}, err
	}
	return sdk.ForwardResponse{H: copyTensor(resp.H), ModalityEmbeddings: copyTensor(resp.ModalityEmbeddings)}, nil
}

// h is forward for a request that must succeed.
func (s *backbone) h(p *probe, req sdk.ForwardRequest) []float32 {
	resp, err := s.forward(req)
	p.must(err, "Forward in %s mode", req.Mode)
	p.must(resp.H.Check("h", len(req.Rows), hWidth), "Forward in %s mode", req.Mode)
	return resp.H.Data
}

// backward sends a copy of dh.
func (s *backbone) backward(dh sdk.Tensor) (sdk.BackwardResponse, error) {
	return s.backwardShared(copyTensor(dh))
}

func (s *backbone) backwardShared(dh sdk.Tensor) (sdk.BackwardResponse, error) {
	var resp sdk.BackwardResponse
	err := s.suite.call("Backward", func(ctx context.Context) error { return s.session.Backward(ctx, sdk.BackwardRequest{DH: dh}, &resp) })
	if err != nil {
		return sdk.BackwardResponse{}, err
	}
	resp.Terms = slices.Clone(resp.Terms)
	return resp, nil
}

func (s *backbone) snapshot() (state, error) {
	var resp sdk.SnapshotResponse
	err := s.suite.call("Snapshot", func(ctx context.Context) error { return s.session.Snapshot(ctx, sdk.SnapshotRequest{}, &resp) })
	if err != nil {
		return state{}, err
	}
	return copyState(resp), nil
}

func (s *backbone) restore(st state) error {
	return s.suite.call("Restore", func(ctx context.Context) error {
		return s.session.Restore(ctx, st.request(), &sdk.RestoreResponse{})
	})
}

func (s *backbone) close() error {
	return s.suite.call("Close", func(ctx context.Context) error {
		return s.session.Close(ctx, sdk.CloseRequest{}, &sdk.CloseResponse{})
	})
}

// batch is the request of a training step: rows and, on top of the data's own
// missingness, hidden modalities are drawn from the step.
func (b *backbones) batch(step uint64, task sdk.Task) sdk.ForwardRequest {
	r := rng.Stream(5, "batch", step)
	rows := make([]int32, batchRows/2+r.IntN(batchRows/2+1))
	availability := make([]uint64, len(rows))
	for i := range rows {
		rows[i] = int32(r.IntN(tableRows))
		availability[i] = draw(r, b.table.availability[rows[i]], 0.8)
	}
	return b.train(rows, availability, step, task)
}

// train is a training request for the given rows.
func (b *backbones) train(rows []int32, availability []uint64, step uint64, task sdk.Task) sdk.ForwardRequest {
	req := sdk.ForwardRequest{Rows: rows, Availability: availability, Mode: sdk.Train, Step: step}
	if b.info.Capabilities.NeedsLabels {
		width := task.LabelWidth()
		all := labelsOf(task, tableRows)
		for _, row := range rows {
			req.Labels = append(req.Labels, all[int(row)*width:int(row+1)*width]...)
		}
	}
	return req
}

// eval is an evaluation request for the given rows with all they have.
func (b *backbones) eval(rows []int32) sdk.ForwardRequest {
	req := sdk.ForwardRequest{Rows: rows, Mode: sdk.Eval}
	for _, row := range rows {
		req.Availability = append(req.Availability, b.table.availability[row])
	}
	return req
}

// mixed are rows that cover every single modality, the complete pattern, several
// partial ones and the row without anything.
func (b *backbones) mixed() []int32 {
	rows := sequence(batchRows)
	rows[batchRows-1] = tableRows - 1
	return rows
}

// gradientOfH is the dh of a step.
func gradientOfH(step uint64, rows int, deviation float64) sdk.Tensor {
	return sdk.Tensor{Shape: []int{rows, hWidth}, Data: normals(rng.Stream(6, "dh", step), rows*hWidth, deviation)}
}

// trained is everything a training run shows.
type trained struct {
	h     [][]float32 // of every step
	norms []float64
	end   state
}

// train runs some steps and takes a snapshot.
func (s *backbone) train(from, to uint64) (trained, error) {
	var out trained
	for step := from; step < to; step++ {
		req := s.suite.batch(step, s.task)
		resp, err := s.forward(req)
		if err != nil {
			return out, fmt.Errorf("forward of step %d: %w", step, err)
		}
		if err := resp.H.Check("h", len(req.Rows), hWidth); err != nil {
			return out, fmt.Errorf("forward of step %d: %w", step, err)
		}
		back, err := s.backward(gradientOfH(step, len(req.Rows), 0.25))
		if err != nil {
			return out, fmt.Errorf("backward of step %d: %w", step, err)
		}
		out.h = append(out.h, resp.H.Data)
		out.norms = append(out.norms, back.GradientNorm)
	}
	end, err := s.snapshot()
	if err != nil {
		return out, fmt.Errorf("snapshot: %w", err)
	}
	out.end = end
	return out, nil
}

// difference says where two training runs differ in a bit, "" if nowhere.
func (t trained) difference(o trained) string {
	for i := range t.h {
		if !sameBits(t.h[i], o.h[i]) {
			return fmt.Sprintf("h of training step %d of %d", i+1, len(t.h))
		}
	}
	return t.end.difference(o.end)
}
