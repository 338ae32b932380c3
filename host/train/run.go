package train

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Data is what a run trains and tests on. It is shared by runs and never
// written to.
type Data struct {
	Store *dataset.Store
	Split dataset.Split
	// Tests are scored once, at the end; by convention the first is the test
	// split as it is, named "test", and the others are shifted.
	Tests []dataset.TestSet
	// Scaling holds the statistics of the training rows, one entry per modality.
	Scaling []dataset.Scaling
}

// Opener opens plugin sessions. The run owns a session it opened until Close.
type Opener interface {
	OpenBackbone(ctx context.Context, req sdk.OpenRequest) (sdk.BackboneSession, error)
	OpenStrategy(ctx context.Context, req sdk.StrategyOpenRequest) (sdk.StrategySession, error)
}

// Plugins names the plugins of a run and how to reach them.
type Plugins struct {
	Opener Opener
	// Backbone is the plugin's own description.
	Backbone sdk.Info
	// Strategy is nil when the variant has none.
	Strategy *sdk.Info
}

// Recorder receives the values of an epoch. Points may be called again with the
// same epoch after a restart; the values are then the same to the last bit.
type Recorder interface {
	Points(epoch int, values Values) error
}

// Run is one training in progress. It is used by one goroutine.
type Run struct {
	cfg      Config
	data     Data
	task     causal.Task
	backbone sdk.BackboneSession
	strategy sdk.StrategySession
	head     *causal.Head

	needsLabels  bool
	revealed     int         // columns of the mask that the head sees beside h
	separation   *separation // nil without the availability-guided split
	availability []uint64    // of all rows of the store
	labels       []float32
	labelWidth   int
	groups       []int32             // of the training rows, by position; nil without a strategy
	represented  sdk.ForwardResponse // of the last training step; its memory serves the next

	counted  []counted // settings that count steps or epochs
	optional optional  // what the strategy can beyond weights and penalties

	epoch   int
	step    uint64
	pending *backward // of the last step; nil between epochs
	stale   int       // candidate epochs since the best one
	best    best
	ended   bool
}

// best is the state of the best candidate epoch so far.
type best struct {
	Epoch    int // -1 before the first candidate
	Value    float64
	Backbone []byte
	Head     []byte
}

// Open opens the sessions of a run that has not trained yet. Close releases
// them; after an error there is nothing to close.
func Open(ctx context.Context, cfg Config, data Data, plugins Plugins) (_ *Run, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	store := data.Store
	r := &Run{
		cfg:          cfg,
		data:         data,
		task:         causal.Task{Kind: string(store.Task().Kind), Classes: store.Task().Classes},
		needsLabels:  plugins.Backbone.Capabilities.NeedsLabels,
		availability: store.Availability(),
		labels:       store.Labels(),
		best:         best{Epoch: -1, Value: math.NaN()},
	}
	r.labelWidth = len(r.labels) / store.Rows()
	r.counted = countedSettings("backbone", &plugins.Backbone, cfg.Backbone)
	r.counted = append(r.counted, countedSettings("strategy", plugins.Strategy, cfg.Strategy)...)
	if plugins.Strategy != nil && plugins.Strategy.Capabilities.RevealsAvailability {
		r.revealed = len(store.Modalities())
	}
	if err := r.checkSplit(); err != nil {
		return nil, err
	}

	train := data.Split.Train
	if r.separation, err = r.separate(); err != nil {
		return nil, fmt.Errorf("part features by availability: %w", err)
	}
	if r.head, err = r.newHead(); err != nil {
		return nil, err
	}

	r.backbone, err = plugins.Opener.OpenBackbone(ctx, r.openRequest())
	if err != nil {
		return nil, fmt.Errorf("open backbone %s: %w", plugins.Backbone.Name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close(context.WithoutCancel(ctx)))
		}
	}()
	if plugins.Strategy != nil {
		if r.groups, err = r.groupsOf(train); err != nil {
			return nil, err
		}
		r.strategy, err = plugins.Opener.OpenStrategy(ctx, r.strategyRequest())
		if err != nil {
			return nil, fmt.Errorf("open strategy %s: %w", plugins.Strategy.Name, err)
		}
		if err := r.openOptional(ctx, *plugins.Strategy); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// newHead builds the head of the present stage. Its own schedule spans the epochs
// from the restart before to the next.
func (r *Run) newHead() (*causal.Head, error) {
	store, train := r.data.Store, r.data.Split.Train
	own := gather(r.availability, train, 1)
	first, end := r.optional.span(r.cfg.Epochs)
	head, err := causal.New(causal.Config{
		Task:        r.task,
		Width:       r.cfg.Width + r.beside(),
		Biased:      r.beside() - r.revealed,
		Modalities:  len(store.Modalities()),
		Missingness: r.cfg.Missingness,
		DualBranch:  r.separation.branch(r.cfg.DualBranch),
		Hidden:      r.cfg.HeadHidden,
		Dropout:     r.cfg.HeadDropout,
		Optimizer:   r.cfg.Optimizer,
		Epochs:      end - first,
		Seed:        rng.Derive(r.cfg.InitSeed, "head"),
	}, causal.Training{
		Availability:   own,
		Labels:         gather(r.labels, train, r.labelWidth),
		Covariates:     r.covariates(train),
		CovariateWidth: store.CovariateWidth(),
		Biased:         r.separation.of(train, own),
	})
	if err != nil {
		return nil, fmt.Errorf("build head: %w", err)
	}
	return head, nil
}

// headEpoch is the epoch of the head: counted from the last restart.
func (r *Run) headEpoch() int {
	first, _ := r.optional.span(r.cfg.Epochs)
	return r.epoch - first
}

// Close closes the sessions. It may be called more than once.
func (r *Run) Close(ctx context.Context) error {
	var errs []error
	if r.backbone != nil {
		errs = append(errs, r.backbone.Close(ctx, sdk.CloseRequest{}, &sdk.CloseResponse{}))
		r.backbone = nil
	}
	if r.strategy != nil {
		errs = append(errs, r.strategy.Close(ctx, sdk.CloseRequest{}, &sdk.CloseResponse{}))
		r.strategy = nil
	}
	return errors.Join(errs...)
}

// Epoch is the number of epochs trained so far.
func (r *Run) Epoch() int { return r.epoch }

// Slice trains epoch after epoch until the run has ended (true) or pause
// answers true after an epoch (false).
func (r *Run) Slice(ctx context.Context, recorder Recorder, pause func() bool) (bool, error) {
	for !r.Ended() {
		values, err := r.trainEpoch(ctx)
		if err != nil {
			return false, fmt.Errorf("train epoch %d: %w", r.epoch, err)
		}
		if err := recorder.Points(r.epoch, values); err != nil {
			return false, fmt.Errorf("record epoch %d: %w", r.epoch, err)
		}
		if pause() && !r.Ended() {
			return false, nil
		}
	}
	return true, nil
}

// Ended reports whether training is over, by the number of epochs or because
// patience ran out.
func (r *Run) Ended() bool { return r.ended || r.epoch >= r.cfg.Epochs }

func (r *Run) checkSplit() error {
	s := r.data.Split
	for _, part := range []struct {
		name string
		rows []int32
	}{{"training", s.Train}, {"validation", s.Validation}} {
		if len(part.rows) < 2 {
			return fmt.Errorf("the split has %d %s rows; at least 2 are needed", len(part.rows), part.name)
		}
	}
	return nil
}

func (r *Run) openRequest() sdk.OpenRequest {
	store := r.data.Store
	modalities := make([]sdk.Modality, len(store.Modalities()))
	for m, modality := range store.Modalities() {
		modalities[m] = sdk.Modality{
			Name:   modality.Name,
			Kind:   sdk.ModalityKind(modality.Kind),
			Width:  modality.Width,
			Length: modality.Length,
			Scaling: sdk.Scaling{
				Mean:    r.data.Scaling[m].Mean,
				Scale:   r.data.Scaling[m].Scale,
				Erasure: r.separation.erasure(m),
			},
		}
	}
	return sdk.OpenRequest{
		FeatureStore:    store.FeatureDir(),
		Modalities:      modalities,
		Width:           r.cfg.Width,
		Task:            r.sdkTask(),
		Hyperparameters: r.cfg.Backbone,
		Optimizer:       optimizerSettings(r.cfg.Optimizer),
		Seed:            rng.Derive(r.cfg.InitSeed, "backbone"),
		MaxBatch:        r.cfg.BatchSize,
	}
}

func (r *Run) sdkTask() sdk.Task {
	return sdk.Task{Kind: sdk.TaskKind(r.task.Kind), Classes: r.task.Classes}
}

// gather copies the given rows of a row-major array with width values a row.
func gather[T any](values []T, rows []int32, width int) []T {
	out := make([]T, 0, len(rows)*width)
	for _, row := range rows {
		out = append(out, values[int(row)*width:(int(row)+1)*width]...)
	}
	return out
}
