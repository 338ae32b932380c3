package train_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// probe is a strategy that hides the second modality where it can, gives all
// rows weight 0 and pushes h by a known gradient.
type probe struct {
	events []string
	own    []uint64
}

func (p *probe) Augment(availability []uint64, _ *rand.Rand) []uint64 {
	p.events = append(p.events, "augment")
	p.own = slices.Clone(availability)
	out := slices.Clone(availability)
	for i := range out {
		out[i] = 1
	}
	return out
}

func (p *probe) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	p.events = append(p.events, "weights")
	return make([]float32, len(b.Rows)), nil, nil
}

func (p *probe) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) {
	p.events = append(p.events, "penalty")
	dh := make([]float32, len(b.H.Data))
	for i := range dh {
		dh[i] = float32(i + 1)
	}
	return 7, dh, nil, []sdk.Term{{Name: "probe", Value: 3}}, nil
}

// A step is: augment, forward under the augmented availability, objective with
// the data's own, backward with the strategy's gradient of h. With weights of 0
// the gradient is the strategy's alone.
func TestRun_StrategyContract(t *testing.T) {
	store := cohort(t, 400)
	d := data(t, store)
	p := &probe{}
	cfg := config(1)
	cfg.Epochs = 1
	o := &opener{
		info: sdk.Info{Name: "probe"},
		watch: func(req sdk.ForwardRequest) {
			if req.Mode != sdk.Train {
				return
			}
			p.events = append(p.events, "forward")
			for i, a := range req.Availability {
				if a != 1 {
					t.Fatalf("row %d was shown with availability %b", i, a)
				}
				if own := store.Availability()[req.Rows[i]]; p.own[i] != own {
					t.Fatalf("row %d was augmented from %b, its own is %b", i, p.own[i], own)
				}
			}
		},
		backward: func(req sdk.BackwardRequest) {
			p.events = append(p.events, "backward")
			for i, g := range req.DH.Data {
				if g != float32(i+1) {
					t.Fatalf("gradient %d is %v, want the strategy's alone, %d", i, g, i+1)
				}
			}
		},
	}
	o.strategy = strategy.New(o.info, func(strategy.Config) (strategy.Rule, error) { return p, nil })
	_, points := finish(t, cfg, d, o, 100)
	want := []string{"augment", "forward", "weights", "penalty", "backward"}
	if len(p.events)%len(want) != 0 || len(p.events) == 0 {
		t.Fatalf("events %v", p.events)
	}
	for step := range slices.Chunk(p.events, len(want)) {
		if !slices.Equal(step, want) {
			t.Fatalf("a step was %v, want %v", step, want)
		}
	}
	for name, value := range map[string]float64{"strategy/penalty": 7, "strategy/probe": 3, "loss": 0} {
		if got := points[1][train.Metric{Name: name, Split: "train"}]; got != value {
			t.Errorf("%s is %v, want %v", name, got, value)
		}
	}
}

// liar claims what rows do not have.
type liar struct{ answer func([]uint64) []uint64 }

func (l liar) Augment(_ context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	resp.Availability = l.answer(slices.Clone(req.Availability))
	return nil
}

type lyingSession struct {
	sdk.StrategySession
	liar
}

func (s lyingSession) Augment(ctx context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	return s.liar.Augment(ctx, req, resp)
}

type lyingStrategy struct {
	sdk.Strategy
	liar
}

func (s lyingStrategy) Open(ctx context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	if err := s.Strategy.Open(ctx, req, resp); err != nil {
		return err
	}
	resp.Session = lyingSession{resp.Session, s.liar}
	return nil
}

func TestRun_RefusesFalseAvailability(t *testing.T) {
	d := data(t, cohort(t, 400))
	honest := strategy.New(sdk.Info{Name: "tilt"}, func(strategy.Config) (strategy.Rule, error) { return &tilt{}, nil })
	for name, test := range map[string]struct {
		answer func([]uint64) []uint64
		code   sdk.Code
	}{
		"all":   {func(a []uint64) []uint64 { return slices.Repeat([]uint64{3}, len(a)) }, sdk.CodeBadRequest},
		"none":  {func(a []uint64) []uint64 { return make([]uint64, len(a)) }, sdk.CodeBadRequest},
		"short": {func(a []uint64) []uint64 { return a[1:] }, sdk.CodeBadShape},
	} {
		o := &opener{strategy: lyingStrategy{honest, liar{test.answer}}}
		run, err := train.Open(context.Background(), config(1), d, train.Plugins{Opener: o, Backbone: fusionInfo, Strategy: &sdk.Info{Name: "tilt"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Slice(context.Background(), points{}, func() bool { return false }); sdk.CodeOf(err) != test.code {
			t.Errorf("%s: got %v, want code %s", name, err, test.code)
		}
	}
}

// restarter has the optimisers start anew at one step, or at none.
type restarter struct{ at uint64 }

func (r restarter) Reset(step uint64) bool { return step == r.at }

// Reset reaches the backbone in that step alone, and the head: from then on the
// run is another one.
func TestRun_ResetsOptimizers(t *testing.T) {
	d := data(t, cohort(t, 400))
	losses := map[uint64]float64{}
	for _, at := range []uint64{2, 1 << 40} {
		var asked []bool
		o := &opener{
			info:     sdk.Info{Name: "restarter"},
			backward: func(req sdk.BackwardRequest) { asked = append(asked, req.ResetOptimizer) },
		}
		o.strategy = strategy.New(o.info, func(strategy.Config) (strategy.Rule, error) { return restarter{at}, nil })
		cfg := config(1)
		cfg.Epochs = 3
		_, points := finish(t, cfg, d, o, 100)
		for step, reset := range asked {
			if reset != (uint64(step) == at) {
				t.Errorf("to start anew at step %d: the backbone was asked to at step %d: %t", at, step, reset)
			}
		}
		losses[at] = points[len(points)][train.Metric{Name: "loss", Split: "train"}]
	}
	if losses[2] == losses[1<<40] {
		t.Errorf("the loss is %v with and without a new start of the optimisers", losses[2])
	}
}
