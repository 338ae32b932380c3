package train_test

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// everything is a rule with all that is optional: a second model from epoch 2 on, for
// which rows weigh by how unsure the first was; rows are mixed in pairs; predictions
// are shifted by the mean error of the validation rows.
type everything struct {
	outputs int
	unsure  []float32
	shift   []float64
}

var everythingCapabilities = sdk.Capabilities{Stages: true, Mixes: true, PostHoc: sdk.PostHocScores}

func (e *everything) Stages() []sdk.Stage { return []sdk.Stage{{Start: 2, Restart: true}, {Start: 3}} }

func (e *everything) Begin(stage int, predictions []float32) ([]sdk.Term, error) {
	e.unsure = nil
	for i := 0; i < len(predictions); i += e.outputs {
		e.unsure = append(e.unsure, float32(stage)+predictions[i]*(1-predictions[i]))
	}
	return []sdk.Term{{Name: "began", Value: float64(stage)}}, nil
}

func (e *everything) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	if e.unsure == nil {
		return nil, nil, nil
	}
	weights := make([]float32, len(b.Rows))
	for i, row := range b.Rows {
		weights[i] = e.unsure[row]
	}
	return weights, nil, nil
}

func (e *everything) Mix(b strategy.Batch, r *rand.Rand) (partner []int32, share []float32) {
	for _, j := range r.Perm(len(b.Rows)) {
		partner, share = append(partner, int32(j)), append(share, r.Float32())
	}
	return partner, share
}

func (e *everything) Fit(rows strategy.Held) ([]sdk.Term, error) {
	e.shift = []float64{0}
	for i, y := range rows.Labels {
		e.shift[0] += (float64(rows.Predictions.Data[i]) - float64(y)) / float64(len(rows.Labels))
	}
	return []sdk.Term{{Name: "shift", Value: e.shift[0]}}, nil
}

func (e *everything) Adjust(rows strategy.Held) ([]float32, []sdk.Term, error) {
	out := make([]float32, len(rows.Predictions.Data))
	for i, p := range rows.Predictions.Data {
		out[i] = float32(max(0, min(float64(p)-e.shift[0], 1)))
	}
	return out, nil, nil
}

func (e *everything) State() ([]byte, error) {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(e.unsure)))
	for _, v := range e.unsure {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	for _, v := range e.shift {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	return out, nil
}

func (e *everything) SetState(data []byte) error {
	n := binary.LittleEndian.Uint64(data)
	data, e.unsure, e.shift = data[8:], nil, nil
	for range n {
		e.unsure, data = append(e.unsure, math.Float32frombits(binary.LittleEndian.Uint32(data))), data[4:]
	}
	if len(data) > 0 {
		e.shift = []float64{math.Float64frombits(binary.LittleEndian.Uint64(data))}
	}
	return nil
}

// with is an opener of a strategy whose rule build makes anew for every session.
func with(c sdk.Capabilities, build func(strategy.Config) strategy.Rule) *opener {
	o := &opener{info: sdk.Info{Name: "optional", Capabilities: c}}
	o.strategy = strategy.New(o.info, func(c strategy.Config) (strategy.Rule, error) { return build(c), nil })
	return o
}

// Stages, mixing and what is fitted after training come out of a checkpoint to the
// same bits, whatever the slices and the components beside.
func TestRun_OptionalSameBitsWhateverTheSlices(t *testing.T) {
	d := data(t, cohort(t, 400))
	missingness, err := causal.ParseMissingness(map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	branch, err := causal.ParseDualBranch(map[string]any{"predict": "marginal", "pool": int64(50)})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*train.Config){
		"plain":              func(*train.Config) {},
		"both components":    func(c *train.Config) { c.Missingness, c.DualBranch = missingness, branch },
		"observed selection": func(c *train.Config) { c.Missingness, c.Select.Observed = missingness, true },
	} {
		t.Run(name, func(t *testing.T) {
			o := with(everythingCapabilities, func(strategy.Config) strategy.Rule { return &everything{outputs: 1} })
			cfg := config(4)
			change(&cfg)
			want, points := finish(t, cfg, d, o, 100)
			for _, epochs := range []int{1, 2, 3} {
				got, again := finish(t, cfg, d, o, epochs)
				sameOutcome(t, got, want)
				for epoch := range points {
					sameValues(t, again[epoch], points[epoch])
				}
			}
			if want.BestEpoch < 3 {
				t.Errorf("epoch %d was chosen, the last stage begins with epoch 3", want.BestEpoch)
			}
			for epoch, stage := range map[int]float64{3: 1, 4: 2} { // points count epochs from 1
				if got := points[epoch][train.Metric{Name: "strategy/began", Split: "train"}]; got != stage {
					t.Errorf("after epoch %d: stage %v began, want %v", epoch, got, stage)
				}
			}
		})
	}
}

// A run that is restored after its test answers as it did: what was fitted is in the
// checkpoint.
func TestRun_CheckpointHasTheFit(t *testing.T) {
	ctx, d := context.Background(), data(t, cohort(t, 400))
	o := with(everythingCapabilities, func(strategy.Config) strategy.Rule { return &everything{outputs: 1} })
	info := o.info
	plugins := train.Plugins{Opener: o, Backbone: fusionInfo, Strategy: &info}
	open := func() *train.Run {
		run, err := train.Open(ctx, config(1), d, plugins)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	run := open()
	defer run.Close(ctx)
	if _, err := run.Slice(ctx, points{}, func() bool { return false }); err != nil {
		t.Fatal(err)
	}
	want, err := run.Test(ctx)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := run.Checkpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	again := open()
	defer again.Close(ctx)
	if err := again.Restore(ctx, saved); err != nil {
		t.Fatal(err)
	}
	resaved, err := again.Checkpoint(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(saved, resaved) {
		t.Error("the checkpoint of a restored run is another")
	}
	got, err := again.Test(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sameOutcome(t, got, want)
}

// twice is a rule with a second stage that changes nothing but the model.
type twice struct {
	start  int
	begun  int
	claims [][]float32
}

func (s *twice) Stages() []sdk.Stage { return []sdk.Stage{{Start: s.start, Restart: true}} }

func (s *twice) Begin(_ int, predictions []float32) ([]sdk.Term, error) {
	s.begun++
	s.claims = append(s.claims, slices.Clone(predictions))
	return nil, nil
}

// A stage that restarts begins with the parameters of the first step: with one batch
// an epoch it repeats the losses of the first stage but for dropout.
func TestRun_StageRestarts(t *testing.T) {
	d := data(t, cohort(t, 400))
	cfg := config(2)
	cfg.HeadDropout, cfg.BatchSize, cfg.Optimizer.LearningRate = 0, 1000, 0.05
	cfg.Epochs = 16
	s := &twice{start: 8}
	_, points := finish(t, cfg, d, with(sdk.Capabilities{Stages: true}, func(strategy.Config) strategy.Rule { return s }), 100)
	loss := train.Metric{Name: "loss", Split: "train"}
	if start, end := points[1][loss], points[8][loss]; end > 0.85*start {
		t.Fatalf("the loss falls from %v to %v alone: a restart could not be told", start, end)
	}
	for epoch := range 3 {
		first, second := points[epoch+1][loss], points[epoch+9][loss]
		if !(math.Abs(first-second) < 0.02*first) {
			t.Errorf("the loss of epoch %d is %v, of the same one after the restart %v", epoch, first, second)
		}
	}
	if s.begun != 1 || len(s.claims[0]) != len(d.Split.Train) {
		t.Errorf("the stage began %d times, with %d predictions for %d training rows", s.begun, len(s.claims[0]), len(d.Split.Train))
	}
}

// pairs is a rule that mixes in a given way and writes down what it sees.
type pairs struct {
	partner func(n, i int) int
	share   float32
	mixed   []strategy.Batch
	rows    []int
}

func (p *pairs) Mix(b strategy.Batch, _ *rand.Rand) (partner []int32, share []float32) {
	p.mixed = append(p.mixed, strategy.Batch{Rows: slices.Clone(b.Rows), Labels: slices.Clone(b.Labels)})
	for i := range b.Rows {
		partner, share = append(partner, int32(p.partner(len(b.Rows), i))), append(share, p.share)
	}
	return partner, share
}

func (p *pairs) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	p.rows = append(p.rows, len(b.Rows))
	return nil, nil, nil
}

// Rows that keep all of themselves train as if nothing were mixed, and so do rows
// that keep nothing, each being another one of the batch. In between they do not.
func TestRun_MixesRepresentations(t *testing.T) {
	d := data(t, cohort(t, 400))
	cfg := config(3)
	cfg.HeadDropout = 0
	_, want := finish(t, cfg, d, &opener{}, 100)
	loss := train.Metric{Name: "loss", Split: "train"}
	for _, c := range []struct {
		share float32
		plain bool
	}{{1, true}, {0, true}, {0.5, false}} {
		p := &pairs{partner: func(n, i int) int { return (i + 1) % n }, share: c.share}
		o := with(sdk.Capabilities{Mixes: true}, func(strategy.Config) strategy.Rule { return p })
		o.watch = func(req sdk.ForwardRequest) {
			for i, y := range req.Labels { // the backbone of these tests asks for them
				if own := d.Store.Labels()[req.Rows[i]]; y != own {
					t.Fatalf("the backbone is sent the label %v of a row, its own is %v", y, own)
				}
			}
		}
		_, got := finish(t, cfg, d, o, 100)
		for epoch := range want {
			g, w := got[epoch][loss], want[epoch][loss]
			if same := math.Abs(g-w) < 1e-3*w; same != c.plain {
				t.Errorf("rows keep %v of themselves: the loss of epoch %d is %v, without mixing %v", c.share, epoch, g, w)
			}
		}
		train := map[int32]bool{}
		for _, row := range d.Split.Train {
			train[row] = true
		}
		for i, b := range p.mixed {
			for k, position := range b.Rows {
				if row := d.Split.Train[position]; d.Store.Labels()[row] != b.Labels[k] {
					t.Fatalf("training row %d is shown with the label %v", row, b.Labels[k])
				}
			}
			if p.rows[i] != 2*len(b.Rows) {
				t.Fatalf("the objective of %d mixed rows has %d", len(b.Rows), p.rows[i])
			}
		}
	}
}

// cheat remembers the label of every prediction that it is fitted to, and knows
// nothing of others.
type cheat struct {
	known  map[float32]float32
	fitted []int
	asked  int
	h      bool
}

func (c *cheat) Fit(rows strategy.Held) ([]sdk.Term, error) {
	c.known = map[float32]float32{}
	for i, p := range rows.Predictions.Data {
		c.known[p] = rows.Labels[i]
	}
	c.fitted = append(c.fitted, len(rows.Labels))
	c.h = !rows.H.Absent()
	return nil, nil
}

func (c *cheat) Adjust(rows strategy.Held) ([]float32, []sdk.Term, error) {
	c.asked += len(rows.Availability)
	out := make([]float32, len(rows.Predictions.Data))
	for i, p := range rows.Predictions.Data {
		out[i] = 0.5
		if y, ok := c.known[p]; ok {
			out[i] = y
		}
	}
	return out, []sdk.Term{{Name: "asked", Value: float64(len(out))}}, nil
}

// What is fitted to validation rows is not judged on the same ones, is fitted to no
// others, and decides on no epoch.
func TestRun_FitIsJudgedOnOtherRows(t *testing.T) {
	d := data(t, cohort(t, 400))
	cfg := config(5)
	plain, plainPoints := finish(t, cfg, d, &opener{}, 100)
	for of, h := range map[sdk.PostHoc]bool{sdk.PostHocScores: false, sdk.PostHocRepresentation: true} {
		c := &cheat{}
		got, points := finish(t, cfg, d, with(sdk.Capabilities{PostHoc: of}, func(strategy.Config) strategy.Rule { return c }), 100)
		if got.BestEpoch != plain.BestEpoch {
			t.Errorf("%s: epoch %d was chosen, without the fit %d", of, got.BestEpoch, plain.BestEpoch)
		}
		auroc := train.Metric{Name: "auroc", Split: "val"}
		for epoch := range plainPoints {
			if points[epoch][auroc] != plainPoints[epoch][auroc] {
				t.Errorf("%s: the validation AUROC of epoch %d is %v, without the fit %v", of, epoch, points[epoch][auroc], plainPoints[epoch][auroc])
			}
		}
		if v := got.Values[auroc]; math.Abs(v-0.5) > 0.02 {
			t.Errorf("%s: the AUROC of validation rows is %v: they were adjusted by what was fitted to them", of, v)
		}
		for _, p := range got.Predictions {
			if p.Score != 0.5 || p.Observed != 0.5 {
				t.Fatalf("%s: the score of a test row is %v, not the adjusted one", of, p.Score)
			}
		}
		n, sum := len(d.Split.Validation), 0
		if len(c.fitted) != 12 { // Test is called twice by finish
			t.Fatalf("%s: %d fits, want five parts and all, twice", of, len(c.fitted))
		}
		for _, shown := range c.fitted[:5] {
			sum += n - shown
		}
		if sum != n || c.fitted[5] != n {
			t.Errorf("%s: fitted to %v of %d validation rows", of, c.fitted, n)
		}
		if c.h != h {
			t.Errorf("%s: h is shown: %t", of, c.h)
		}
		if v := got.Values[train.Metric{Name: "strategy/asked", Split: "test"}]; v != float64(len(d.Tests[0].Rows)) {
			t.Errorf("%s: the terms of the test rows say %v", of, v)
		}
	}
}

// A strategy that predicts from h would undo the components of the host.
func TestOpen_RepresentationBesideComponents(t *testing.T) {
	d := data(t, cohort(t, 400))
	cfg := config(1)
	var err error
	if cfg.Missingness, err = causal.ParseMissingness(map[string]any{}); err != nil {
		t.Fatal(err)
	}
	o := with(sdk.Capabilities{PostHoc: sdk.PostHocRepresentation}, func(strategy.Config) strategy.Rule { return &cheat{} })
	if _, err := train.Open(context.Background(), cfg, d, train.Plugins{Opener: o, Backbone: fusionInfo, Strategy: &o.info}); sdk.CodeOf(err) != sdk.CodeBadRequest {
		t.Errorf("got %v, want bad_request", err)
	}
}

// A session without the interface that its capabilities name is the plugin's fault.
func TestOpen_CapabilityWithoutInterface(t *testing.T) {
	d := data(t, cohort(t, 400))
	for name, c := range map[string]sdk.Capabilities{
		"stages": {Stages: true}, "mixes": {Mixes: true}, "post-hoc": {PostHoc: sdk.PostHocScores},
	} {
		o := &opener{strategy: bareStrategy{}}
		info := sdk.Info{Name: "bare", Capabilities: c}
		if _, err := train.Open(context.Background(), config(1), d, train.Plugins{Opener: o, Backbone: fusionInfo, Strategy: &info}); sdk.CodeOf(err) != sdk.CodeProtocol {
			t.Errorf("%s: got %v, want protocol", name, err)
		}
	}
}

type bareStrategy struct{ sdk.Strategy }

func (bareStrategy) Open(_ context.Context, _ sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	resp.Session = bareSession{}
	return nil
}

type bareSession struct {
	sdk.Unchanged
	sdk.Unweighted
	sdk.Stateless
}
