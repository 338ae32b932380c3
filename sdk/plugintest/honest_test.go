package plugintest_test

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// flaws are what can be wrong inside a model.
type flaws struct {
	leak, unused, constant, silentTerm, untrainedTerm bool
}

// model is a small correct model, unless it is given a flaw: a sum over the
// observed modalities of tanh of linear maps, a second layer, and an auxiliary
// loss.
type model struct {
	flaws
	params nn.Params
	config backbone.Config
	maps   []*nn.Linear
	shift  *nn.Param // [1, width]
	out    *nn.Linear
}

var info = sdk.Info{
	Name: "honest", Version: "1.0.0", Licence: "Apache-2.0",
	Hyperparameters: []sdk.Hyperparameter{
		{Name: "dropout", Type: sdk.Float, Default: 0.2, Min: 0, Max: 0.9},
		{Name: "hidden", Type: sdk.Int, Default: 6, Min: 1, Max: 4096},
		{Name: "heads", Type: sdk.Int, Default: 3, Min: 1, Max: 6},
		{Name: "bias", Type: sdk.Bool, Default: true},
		{Name: "activation", Type: sdk.String, Default: "tanh", Values: []string{"tanh", "relu"}},
	},
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

func newModel(c backbone.Config, f flaws) (backbone.Model, error) {
	m := &model{flaws: f, config: c}
	hidden := c.Int("hidden")
	// As in attention: two hyperparameters that restrict each other.
	if hidden%c.Int("heads") != 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "heads must divide hidden")
	}
	for _, modality := range c.Modalities {
		in := modality.Width * max(modality.Length, 1)
		m.maps = append(m.maps, nn.NewLinear(&m.params, modality.Name, in, hidden, c.Rand(modality.Name)))
	}
	m.shift = m.params.New("shift", 1, hidden, nn.Normal(c.Rand("shift"), 0.1))
	m.out = nn.NewLinear(&m.params, "out", hidden, c.Width, c.Rand("out"))
	if f.unused {
		m.params.New("forgotten", 2, 2, nn.Ones)
	}
	return backbone.FromTape(m), nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	hidden := m.config.Int("hidden")
	sum := t.Const(b.Size, hidden, make([]float32, b.Size*hidden))
	for i, l := range m.maps {
		rows := b.Observed(i)
		if m.leak { // everybody's features, as if nothing were missing
			rows = make([]int32, b.Size)
			for j := range rows {
				rows[j] = int32(j)
			}
		}
		if len(rows) == 0 {
			continue
		}
		x := t.Const(len(rows), l.Weight.Rows, b.Features(i, rows))
		e := t.Dropout(m.activate(t, l.Apply(t, x)), m.config.Float("dropout"), b.Rand)
		sum = t.Add(sum, t.Scatter(e, rows, b.Size))
	}
	shift := t.Param(m.shift)
	if m.constant { // used, but without a gradient
		shift = t.Const(1, hidden, m.shift.Value)
	}
	h := m.out.Apply(t, m.activate(t, t.AddRow(sum, shift)))
	if !b.Train {
		return h, nil
	}
	// An auxiliary loss of mean(h²), or only half of it in the report, or only in
	// the report.
	value := h
	if m.untrainedTerm {
		value = t.Detach(h)
	}
	loss := t.WeightedMean(t.MeanCols(t.Square(value)), nil)
	terms := []backbone.Term{{Name: "size", Weight: 0.5, Value: loss}}
	if m.silentTerm {
		zero := t.Const(1, 1, []float32{0})
		terms = []backbone.Term{{Name: "size", Weight: 0.5, Value: loss}, {Name: "minus_size", Weight: 1, Value: t.Add(zero, t.Detach(t.Scale(loss, -0.5)))}}
	}
	return h, terms
}

func (m *model) activate(t *nn.Tape, x *nn.Var) *nn.Var {
	if m.config.Text("activation") == "relu" {
		return t.ReLU(x)
	}
	return t.Tanh(x)
}

func flawed(f flaws) sdk.Backbone {
	return backbone.New(info, func(c backbone.Config) (backbone.Model, error) { return newModel(c, f) })
}

// wrapped is the honest backbone with some methods replaced; nil ones are the
// honest ones.
type wrapped struct {
	inner    sdk.Backbone
	info     func(*sdk.Info)
	open     func(*sdk.OpenRequest) error
	opened   func(*session)
	forward  func(*session, sdk.ForwardRequest, *sdk.ForwardResponse) error
	canceled func(*session) error // instead of a Forward that the caller has given up
	backward func(*session, sdk.BackwardRequest, *sdk.BackwardResponse) error
	snapshot func(*session, *sdk.SnapshotResponse) error
	restore  func(*session, sdk.RestoreRequest) error
	close    func(*session) error
}

func (w *wrapped) Info(ctx context.Context, req sdk.InfoRequest, resp *sdk.InfoResponse) error {
	if err := w.inner.Info(ctx, req, resp); err != nil {
		return err
	}
	if w.info != nil {
		w.info(&resp.Info)
	}
	return nil
}

func (w *wrapped) Open(ctx context.Context, req sdk.OpenRequest, resp *sdk.OpenResponse) error {
	if w.open != nil {
		if err := w.open(&req); err != nil {
			return err
		}
	}
	if err := w.inner.Open(ctx, req, resp); err != nil {
		return err
	}
	s := &session{BackboneSession: resp.Session, plugin: w, seed: req.Seed}
	if err := s.BackboneSession.Snapshot(ctx, sdk.SnapshotRequest{}, &s.start); err != nil {
		return err
	}
	if w.opened != nil {
		w.opened(s)
	}
	resp.Session = s
	return nil
}

// session is a session of a wrapped backbone, with room for what a flaw needs.
type session struct {
	sdk.BackboneSession
	plugin *wrapped
	start  sdk.SnapshotResponse
	seed   uint64
	calls  int
	closed int
	rows   []int32
}

func (s *session) Forward(ctx context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	if s.plugin.canceled != nil && ctx.Err() != nil {
		return s.plugin.canceled(s)
	}
	if s.plugin.forward != nil {
		return s.plugin.forward(s, req, resp)
	}
	return s.BackboneSession.Forward(ctx, req, resp)
}

func (s *session) Backward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
	if s.plugin.backward != nil {
		return s.plugin.backward(s, req, resp)
	}
	return s.BackboneSession.Backward(ctx, req, resp)
}

func (s *session) Snapshot(ctx context.Context, req sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	if s.plugin.snapshot != nil {
		return s.plugin.snapshot(s, resp)
	}
	return s.BackboneSession.Snapshot(ctx, req, resp)
}

func (s *session) Restore(ctx context.Context, req sdk.RestoreRequest, resp *sdk.RestoreResponse) error {
	if s.plugin.restore != nil {
		return s.plugin.restore(s, req)
	}
	return s.BackboneSession.Restore(ctx, req, resp)
}

func (s *session) Close(ctx context.Context, req sdk.CloseRequest, resp *sdk.CloseResponse) error {
	s.closed++
	if s.plugin.close != nil {
		return s.plugin.close(s)
	}
	return s.BackboneSession.Close(ctx, req, resp)
}
