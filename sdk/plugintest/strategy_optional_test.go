package plugintest_test

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// ready is a correct rule with all that is optional: rows weigh more the less sure
// the first stage was of them, rows are mixed with the next, and predictions are
// drawn towards the mean prediction of the validation rows.
type ready struct {
	task   sdk.Task
	stages []sdk.Stage
	sure   []float64 // of every training row; nil in the first stage
	mean   []float64 // by output; nil before a fit
}

var readyInfo = sdk.Info{
	Name: "ready", Version: "1.0.0",
	Capabilities: sdk.Capabilities{Deterministic: true, Stages: true, Mixes: true, PostHoc: sdk.PostHocRepresentation},
}

func newReady(c strategy.Config) (strategy.Rule, error) {
	r := &ready{task: c.Open.Task}
	if c.Open.Epochs > 1 {
		r.stages = []sdk.Stage{{Start: c.Open.Epochs - 1, Restart: true}}
	}
	return r, nil
}

func (r *ready) Stages() []sdk.Stage { return r.stages }

func (r *ready) Begin(_ int, predictions []float32) ([]sdk.Term, error) {
	r.sure = nil
	for i := 0; i < len(predictions); i += r.task.Outputs() {
		r.sure = append(r.sure, float64(predictions[i]))
	}
	return []sdk.Term{{Name: "sure", Value: r.sure[0]}}, nil
}

func (r *ready) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	if r.sure == nil {
		return nil, nil, nil
	}
	weights := make([]float32, len(b.Rows))
	for i, row := range b.Rows {
		weights[i] = float32(2 - r.sure[row])
	}
	return weights, nil, nil
}

func (r *ready) Mix(b strategy.Batch, draws *rand.Rand) (partner []int32, share []float32) {
	keep := draws.Float32()
	for i := range b.Rows {
		partner, share = append(partner, int32((i+1)%len(b.Rows))), append(share, keep)
	}
	return partner, share
}

func (r *ready) Fit(rows strategy.Held) ([]sdk.Term, error) {
	r.mean = make([]float64, r.task.Outputs())
	for i, p := range rows.Predictions.Data {
		r.mean[i%len(r.mean)] += float64(p) / float64(len(rows.Availability))
	}
	return nil, nil
}

func (r *ready) Adjust(rows strategy.Held) ([]float32, []sdk.Term, error) {
	if r.mean == nil {
		return nil, nil, sdk.Errorf(sdk.CodeBadRequest, "adjust before a fit")
	}
	out := make([]float32, len(rows.Predictions.Data))
	for i, p := range rows.Predictions.Data {
		out[i] = float32((float64(p) + r.mean[i%len(r.mean)]) / 2)
	}
	return out, nil, nil
}

func (r *ready) State() ([]byte, error) {
	out := []byte{byte(len(r.sure)), byte(len(r.mean))}
	for _, values := range [][]float64{r.sure, r.mean} {
		for _, v := range values {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
		}
	}
	return out, nil
}

func (r *ready) SetState(state []byte) error {
	if len(state) < 2 || len(state) != 2+8*(int(state[0])+int(state[1])) {
		return sdk.Errorf(sdk.CodeBadRequest, "the state has %d bytes", len(state))
	}
	sizes := [2]int{int(state[0]), int(state[1])}
	state = state[2:]
	for k, to := range []*[]float64{&r.sure, &r.mean} {
		*to = nil
		for range sizes[k] {
			*to = append(*to, math.Float64frombits(binary.LittleEndian.Uint64(state)))
			state = state[8:]
		}
	}
	return nil
}

// wrongReady is ready with some methods replaced.
type wrongReady struct {
	sdk.Strategy
	stages func(*readySession) []sdk.Stage
	stage  func(*readySession, sdk.StageRequest) error
	mix    func(*readySession, sdk.MixRequest, *sdk.MixResponse)
	fit    func(*readySession, sdk.FitRequest)
	adjust func(*readySession, sdk.AdjustRequest, *sdk.AdjustResponse)
	state  func(*sdk.SnapshotResponse)
}

func (f *wrongReady) Open(_ context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	err := f.Strategy.Open(ctx, req, resp)
	if err == nil {
		resp.Session = &readySession{StrategySession: resp.Session, plugin: f}
	}
	return err
}

type readySession struct {
	sdk.StrategySession
	plugin *wrongReady
	calls  int
	seen   []float32
}

func (s *readySession) Stages() []sdk.Stage {
	if s.plugin.stages != nil {
		return s.plugin.stages(s)
	}
	return s.StrategySession.(sdk.Stager).Stages()
}

func (s *readySession) Stage(_ context.Context, req sdk.StageRequest, resp *sdk.StageResponse) error {
	if s.plugin.stage != nil {
		return s.plugin.stage(s, req)
	}
	return s.StrategySession.(sdk.Stager).Stage(ctx, req, resp)
}

func (s *readySession) Mix(_ context.Context, req sdk.MixRequest, resp *sdk.MixResponse) error {
	err := s.StrategySession.(sdk.Mixer).Mix(ctx, req, resp)
	if s.plugin.mix != nil && err == nil {
		s.plugin.mix(s, req, resp)
	}
	return err
}

func (s *readySession) Fit(_ context.Context, req sdk.FitRequest, resp *sdk.FitResponse) error {
	err := s.StrategySession.(sdk.Fitter).Fit(ctx, req, resp)
	if s.plugin.fit != nil && err == nil {
		s.plugin.fit(s, req)
	}
	return err
}

func (s *readySession) Adjust(_ context.Context, req sdk.AdjustRequest, resp *sdk.AdjustResponse) error {
	err := s.StrategySession.(sdk.Fitter).Adjust(ctx, req, resp)
	if s.plugin.adjust != nil && err == nil {
		s.plugin.adjust(s, req, resp)
	}
	return err
}

func (s *readySession) Snapshot(_ context.Context, req sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	err := s.StrategySession.Snapshot(ctx, req, resp)
	if s.plugin.state != nil {
		s.plugin.state(resp)
	}
	return err
}

func TestStrategyOptional_Honest(t *testing.T) {
	plugintest.Strategy(t, strategy.New(readyInfo, newReady))
}

func TestStrategyOptional_Flaws(t *testing.T) {
	for _, f := range []struct {
		name, check, says string
		plugin            *wrongReady
	}{
		{"a stage after the end", "stages", "from epoch 1 to the last", &wrongReady{stages: func(*readySession) []sdk.Stage { return []sdk.Stage{{Start: 6}} }}},
		{"no stages at all", "stages", "has none", &wrongReady{stages: func(*readySession) []sdk.Stage { return nil }}},
		{"a stage that begins whatever is said", "stages", "accepted", &wrongReady{stage: func(*readySession, sdk.StageRequest) error { return nil }}},
		{"a stage that is not in the snapshot", "stages", "restored in the last stage", &wrongReady{state: func(r *sdk.SnapshotResponse) { r.State = []byte{0, 0} }}},
		{"predictions that are written to", "stages", "writes", &wrongReady{stage: func(s *readySession, req sdk.StageRequest) error {
			err := s.StrategySession.(sdk.Stager).Stage(ctx, req, &sdk.StageResponse{})
			clear(req.Predictions.Data)
			return err
		}}},
		{"a partner beyond the batch", "mixing", "the partner of batch row 2", &wrongReady{mix: func(_ *readySession, req sdk.MixRequest, r *sdk.MixResponse) {
			if len(req.Rows) > 2 {
				r.Partner[2] = int32(len(req.Rows))
			}
		}}},
		{"a share above 1", "mixing", "the share", &wrongReady{mix: func(_ *readySession, _ sdk.MixRequest, r *sdk.MixResponse) { r.Share[0] = 1.5 }}},
		{"shares from a counter", "mixing", "steps before", &wrongReady{mix: func(s *readySession, _ sdk.MixRequest, r *sdk.MixResponse) {
			s.calls++
			r.Share[0] = 1 / float32(s.calls)
		}}},
		{"nothing is mixed", "mixing", "no row", &wrongReady{mix: func(_ *readySession, _ sdk.MixRequest, r *sdk.MixResponse) {
			for i := range r.Share {
				r.Share[i] = 1
			}
		}}},
		{"a prediction below 0", "post-hoc", "not a probability", &wrongReady{adjust: func(_ *readySession, _ sdk.AdjustRequest, r *sdk.AdjustResponse) { r.Predictions.Data[1] = -0.1 }}},
		{"predictions that depend on the batch", "post-hoc", "depends on the other rows", &wrongReady{adjust: func(_ *readySession, req sdk.AdjustRequest, r *sdk.AdjustResponse) {
			if r.Predictions.Shape[1] == 1 {
				r.Predictions.Data[0] = 1 / float32(len(req.Availability))
			}
		}}},
		{"a fit that is not in the snapshot", "post-hoc", "Adjust", &wrongReady{state: func(r *sdk.SnapshotResponse) { r.State = []byte{0, 0} }}},
		{"a fit that remembers", "post-hoc", "an earlier one", &wrongReady{
			fit: func(s *readySession, _ sdk.FitRequest) { s.calls++ },
			adjust: func(s *readySession, _ sdk.AdjustRequest, r *sdk.AdjustResponse) {
				if s.calls > 1 && r.Predictions.Shape[1] == 1 {
					r.Predictions.Data[0] = 0.5
				}
			},
		}},
		{"validation rows that are kept", "post-hoc", "the snapshot", &wrongReady{
			fit: func(s *readySession, req sdk.FitRequest) { s.seen = req.Predictions.Data },
			adjust: func(s *readySession, _ sdk.AdjustRequest, r *sdk.AdjustResponse) {
				if s.seen != nil && r.Predictions.Shape[1] == 1 {
					r.Predictions.Data[0] = s.seen[0]
				}
			},
		}},
	} {
		t.Run(f.name, func(t *testing.T) {
			f.plugin.Strategy = strategy.New(readyInfo, newReady)
			expect(t, plugintest.CheckStrategy(ctx, f.plugin, plugintest.Options{Only: []string{f.check}}), f.check, f.says)
		})
	}
}
