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

// rule is a small correct strategy of everything: it hides a modality, weighs
// rows by a running mean of their losses, and penalises the size of h and of the
// logits.
type rule struct {
	scale float64
	mean  float64
	keep  []uint64
}

var strategyInfo = sdk.Info{
	Name: "honest", Version: "1.0.0",
	Hyperparameters: []sdk.Hyperparameter{
		{Name: "scale", Type: sdk.Float, Default: 0.5, Min: 0.01, Max: 10, Log: true},
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	return &rule{scale: c.Float("scale"), keep: append([]uint64(nil), c.Open.Availability...)}, nil
}

func (r *rule) Augment(availability []uint64, draws *rand.Rand) []uint64 {
	out := append([]uint64(nil), availability...)
	for i, own := range out {
		if fewer := own & (own - 1); fewer != 0 && draws.Float64() < 0.5 {
			out[i] = fewer
		}
	}
	return out
}

func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	weights := make([]float32, len(b.RowLoss))
	for i, loss := range b.RowLoss {
		r.mean = 0.9*r.mean + 0.1*float64(loss)
		weights[i] = float32(1 + math.Tanh(float64(loss)-r.mean))
		if r.keep[b.Rows[i]] == 0 {
			weights[i] /= 2
		}
	}
	return weights, []sdk.Term{{Name: "mean", Value: r.mean}}, nil
}

func (r *rule) Penalty(b strategy.Batch) (value float64, dh, dlogits []float32, terms []sdk.Term, err error) {
	value, dh = r.size(b.H.Data, 1)
	more, dlogits := r.size(b.Logits.Data, 3)
	return value + more, dh, dlogits, nil, nil
}

// size is scale * factor * mean(x²) and its gradient.
func (r *rule) size(x []float32, factor float64) (value float64, gradient []float32) {
	gradient = make([]float32, len(x))
	n := float64(len(x))
	for i, v := range x {
		value += r.scale * factor * float64(v) * float64(v) / n
		gradient[i] = float32(2 * r.scale * factor * float64(v) / n)
	}
	return value, gradient
}

func (r *rule) State() ([]byte, error) {
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(r.mean)), nil
}

func (r *rule) SetState(state []byte) error {
	if len(state) != 8 {
		return sdk.Errorf(sdk.CodeBadRequest, "the state has %d bytes", len(state))
	}
	r.mean = math.Float64frombits(binary.LittleEndian.Uint64(state))
	return nil
}

// wrappedStrategy is the honest strategy with some methods replaced.
type wrappedStrategy struct {
	sdk.Strategy
	open      func(*sdk.StrategyOpenRequest)
	augment   func(*strategySession, sdk.AugmentRequest, *sdk.AugmentResponse) error
	objective func(*strategySession, sdk.ObjectiveRequest, *sdk.ObjectiveResponse) error
	canceled  func(*strategySession) error // instead of an Objective that the caller has given up
	snapshot  func(*strategySession, *sdk.SnapshotResponse)
	restore   func(*strategySession, sdk.RestoreRequest) error
	close     func(*strategySession)
}

func (w *wrappedStrategy) Open(_ context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	if w.open != nil {
		w.open(&req)
	}
	if err := w.Strategy.Open(ctx, req, resp); err != nil {
		return err
	}
	resp.Session = &strategySession{StrategySession: resp.Session, plugin: w, open: req}
	return nil
}

type strategySession struct {
	sdk.StrategySession
	plugin *wrappedStrategy
	open   sdk.StrategyOpenRequest
	calls  int
	closed int
}

func (s *strategySession) Augment(_ context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	if s.plugin.augment != nil {
		return s.plugin.augment(s, req, resp)
	}
	return s.StrategySession.Augment(ctx, req, resp)
}

func (s *strategySession) Objective(ctx context.Context, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	if s.plugin.canceled != nil && ctx.Err() != nil {
		return s.plugin.canceled(s)
	}
	if s.plugin.objective != nil {
		return s.plugin.objective(s, req, resp)
	}
	return s.StrategySession.Objective(ctx, req, resp)
}

func (s *strategySession) Snapshot(_ context.Context, req sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	err := s.StrategySession.Snapshot(ctx, req, resp)
	if s.plugin.snapshot != nil {
		s.plugin.snapshot(s, resp)
	}
	return err
}

func (s *strategySession) Restore(_ context.Context, req sdk.RestoreRequest, resp *sdk.RestoreResponse) error {
	if s.plugin.restore != nil {
		return s.plugin.restore(s, req)
	}
	return s.StrategySession.Restore(ctx, req, resp)
}

func (s *strategySession) Close(_ context.Context, req sdk.CloseRequest, resp *sdk.CloseResponse) error {
	s.closed++
	if s.plugin.close != nil {
		s.plugin.close(s)
	}
	return s.StrategySession.Close(ctx, req, resp)
}

func TestStrategy_Honest(t *testing.T) { plugintest.Strategy(t, strategy.New(strategyInfo, newRule)) }

// objectiveFlaw changes the answer of Objective.
func objectiveFlaw(change func(*strategySession, sdk.ObjectiveRequest, *sdk.ObjectiveResponse)) *wrappedStrategy {
	return &wrappedStrategy{objective: func(s *strategySession, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
		err := s.StrategySession.Objective(ctx, req, resp)
		if err == nil {
			change(s, req, resp)
		}
		return err
	}}
}

// augmentFlaw changes the answer of Augment.
func augmentFlaw(change func(*strategySession, sdk.AugmentRequest, []uint64)) *wrappedStrategy {
	return &wrappedStrategy{augment: func(s *strategySession, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
		err := s.StrategySession.Augment(ctx, req, resp)
		if err == nil {
			change(s, req, resp.Availability)
		}
		return err
	}}
}

func TestStrategy_Flaws(t *testing.T) {
	sessions, broken := 0, false
	for _, f := range []struct {
		name, check, says string
		plugin            *wrappedStrategy
	}{
		{"a modality that the row lacks", "augment", "no part of it", augmentFlaw(func(_ *strategySession, _ sdk.AugmentRequest, shown []uint64) { shown[2] = 0b1111 })},
		{"a row that is left with nothing", "augment", "with nothing", augmentFlaw(func(_ *strategySession, _ sdk.AugmentRequest, shown []uint64) { shown[2] = 0 })},
		{"draws from a counter", "augment", "steps before", augmentFlaw(func(s *strategySession, req sdk.AugmentRequest, shown []uint64) {
			s.calls++
			if s.calls > 7 && req.Availability[3] != 0 {
				shown[3] = req.Availability[3] & -req.Availability[3]
			} else {
				shown[3] = req.Availability[3]
			}
		})},
		{"a negative weight", "objective", "weight of batch row 1", objectiveFlaw(func(_ *strategySession, _ sdk.ObjectiveRequest, r *sdk.ObjectiveResponse) { r.Weights[1] = -1 })},
		{"a NaN weight", "objective", "NaN", objectiveFlaw(func(s *strategySession, _ sdk.ObjectiveRequest, r *sdk.ObjectiveResponse) {
			if s.open.Task.Kind == sdk.Multilabel {
				r.Weights[1] = float32(math.NaN())
			}
		})},
		{"a NaN penalty", "objective", "the penalty is NaN", objectiveFlaw(func(_ *strategySession, _ sdk.ObjectiveRequest, r *sdk.ObjectiveResponse) {
			r.Penalty = math.NaN()
		})},
		{"a weight too few", "objective", "weights for", objectiveFlaw(func(_ *strategySession, _ sdk.ObjectiveRequest, r *sdk.ObjectiveResponse) { r.Weights = r.Weights[1:] })},
		{"a gradient of another shape", "objective", "dh has shape", objectiveFlaw(func(s *strategySession, _ sdk.ObjectiveRequest, r *sdk.ObjectiveResponse) {
			r.DH.Shape = []int{len(r.DH.Data)}
		})},
		{"a gradient of the wrong sign", "gradients", "derivative of the penalty in logits", objectiveFlaw(func(_ *strategySession, _ sdk.ObjectiveRequest, r *sdk.ObjectiveResponse) {
			for i := range r.DLogits.Data {
				r.DLogits.Data[i] *= -1
			}
		})},
		{"a gradient that is left out", "gradients", "derivative of the penalty in h", objectiveFlaw(func(_ *strategySession, _ sdk.ObjectiveRequest, r *sdk.ObjectiveResponse) {
			r.DH = sdk.Tensor{}
		})},
		{"a seed from a counter", "determinism", "differ", &wrappedStrategy{open: func(r *sdk.StrategyOpenRequest) { sessions++; r.Seed += uint64(sessions) }}},
		{"a snapshot that forgets", "snapshot", "restored", &wrappedStrategy{snapshot: func(_ *strategySession, r *sdk.SnapshotResponse) { clear(r.State) }}},
		{"losses that are kept", "slices", "kept", objectiveFlaw(func(s *strategySession, req sdk.ObjectiveRequest, r *sdk.ObjectiveResponse) {
			r.Weights[0] = 1 + float32(s.open.Labels[5])/4
		})},
		{"losses that are written to", "slices", "Objective writes", objectiveFlaw(func(_ *strategySession, req sdk.ObjectiveRequest, _ *sdk.ObjectiveResponse) {
			clear(req.RowLoss)
		})},
		{"a panic on rows that do not exist", "refusals", "panic", &wrappedStrategy{objective: func(s *strategySession, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
			for _, row := range req.Rows {
				_ = s.open.Availability[row]
			}
			return s.StrategySession.Objective(ctx, req, resp)
		}}},
		{"a caller who gives up and is told of an internal error", "cancel", "want canceled", &wrappedStrategy{canceled: func(*strategySession) error {
			return sdk.Errorf(sdk.CodeInternal, "gave up")
		}}},
		{"a caller who gives up and takes everything along", "cancel", "of no use", &wrappedStrategy{
			canceled: func(*strategySession) error {
				broken = true
				return sdk.Errorf(sdk.CodeCanceled, "gave up")
			},
			augment: func(s *strategySession, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
				if broken {
					broken = false
					return sdk.Errorf(sdk.CodeInternal, "somebody gave up")
				}
				return s.StrategySession.Augment(ctx, req, resp)
			},
		}},
		{"a second Close that panics", "close", "second Close", &wrappedStrategy{close: func(s *strategySession) {
			if s.closed > 1 {
				panic("closed twice")
			}
		}}},
	} {
		t.Run(f.name, func(t *testing.T) {
			f.plugin.Strategy = strategy.New(strategyInfo, newRule)
			expect(t, plugintest.CheckStrategy(ctx, f.plugin, plugintest.Options{}), f.check, f.says)
		})
	}
}
