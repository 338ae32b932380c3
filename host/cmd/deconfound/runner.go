package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// runner trains the slices of runs in this process. It keeps datasets open and
// plugin processes alive between slices. It is safe for use by many workers.
type runner struct {
	home     home
	registry *plugin.Registry
	pool     *plugin.Pool
	meter    *plugin.Meter
	store    *tracker.Store
	// reconnect brings a private database back; nil for a server.
	reconnect func(context.Context) error

	// fetch gets what this installation lacks; nil: nothing.
	fetch *fetcher

	overlaps overlaps
	audits   *audits // nil: datasets are not audited

	mu       sync.Mutex
	datasets map[string]*dataset.Store // by storeKey
}

func newRunner(h home, registry *plugin.Registry, pool *plugin.Pool, store *tracker.Store) *runner {
	return &runner{home: h, registry: registry, pool: pool, meter: plugin.NewMeter(pool), store: store, datasets: map[string]*dataset.Store{}}
}

// close releases the datasets; the pool belongs to the app.
func (r *runner) close() {
	if r.audits != nil {
		r.audits.finish()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, store := range r.datasets {
		store.Close()
	}
	r.datasets = nil
	if r.fetch != nil {
		_ = r.fetch.close() // locks end with the process at the latest
	}
}

// runSlice is the sweeps.RunFunc of this program.
func (r *runner) runSlice(ctx context.Context, spec sweeps.RunSpec, checkpoint []byte, recorder sweeps.Recorder, _ time.Duration) (_ sweeps.Slice, err error) {
	defer func() { err = coded(err) }()
	entries, err := r.entries(ctx, spec)
	if err != nil {
		return sweeps.Slice{}, err
	}
	if entries[0].Script != nil {
		return r.runScript(ctx, spec, recorder)
	}
	metered := r.meter.Begin(entries...)
	defer metered.End()
	run, data, err := r.open(ctx, spec)
	if err != nil {
		return sweeps.Slice{}, err
	}
	defer func() {
		// The result is what counts; a session that cannot be closed goes with its
		// process.
		_ = run.Close(context.WithoutCancel(ctx))
	}()
	if checkpoint != nil {
		if err := run.Restore(ctx, checkpoint); err != nil {
			return sweeps.Slice{}, err
		}
	}
	// The recorder knows the budget: it asks for a pause when that is used up.
	done, err := run.Slice(ctx, pointRecorder{recorder}, recorder.Pause)
	if err != nil {
		return sweeps.Slice{}, err
	}
	slice := sweeps.Slice{Done: done, Epoch: run.Epoch(), Epochs: spec.Epochs}
	if !done {
		slice.Checkpoint, err = run.Checkpoint(ctx)
		slice.Memory = memoryOf(metered)
		return slice, err
	}
	outcome, err := run.Test(ctx)
	if err != nil {
		return sweeps.Slice{}, err
	}
	if slice.Outcome, err = convertOutcome(outcome, run.Epoch(), spec.Epochs); err != nil {
		return sweeps.Slice{}, err
	}
	slice.Outcome.Diagnostics = append(slice.Outcome.Diagnostics, r.overlaps.of(spec, data, outcome)...)
	slice.Memory = memoryOf(metered)
	return slice, nil
}

func memoryOf(run *plugin.Metered) tracker.Memory {
	u := run.End()
	return tracker.Memory{Host: u.Host, Plugins: u.Plugins}
}

// entries are the plugins of a run as they are installed, or were fetched.
func (r *runner) entries(ctx context.Context, spec sweeps.RunSpec) ([]plugin.Entry, error) {
	backbone, err := r.plugin(ctx, sdk.KindBackbone, spec.Backbone)
	if err != nil || spec.Strategy == nil {
		return []plugin.Entry{backbone.entry}, err
	}
	strategy, err := r.plugin(ctx, sdk.KindStrategy, *spec.Strategy)
	return []plugin.Entry{backbone.entry, strategy.entry}, err
}

// open prepares a run from its spec, and the data that it trains and tests on.
func (r *runner) open(ctx context.Context, spec sweeps.RunSpec) (*train.Run, train.Data, error) {
	store, err := r.dataset(ctx, spec)
	if err != nil {
		return nil, train.Data{}, err
	}
	data, err := r.data(store, spec)
	if err != nil {
		return nil, train.Data{}, err
	}
	cfg, err := trainConfig(spec)
	if err != nil {
		return nil, train.Data{}, err
	}
	backbone, err := r.plugin(ctx, sdk.KindBackbone, spec.Backbone)
	if err != nil {
		return nil, train.Data{}, err
	}
	plugins := train.Plugins{Backbone: backbone.info}
	opener := &plugin.Opener{Pool: r.pool, Backbone: backbone.entry}
	if spec.Strategy != nil {
		strategy, err := r.plugin(ctx, sdk.KindStrategy, *spec.Strategy)
		if err != nil {
			return nil, train.Data{}, err
		}
		plugins.Strategy, opener.Strategy = &strategy.info, strategy.entry
	}
	plugins.Opener = opener
	run, err := train.Open(ctx, cfg, data, plugins)
	return run, data, err
}

// dataset opens a dataset once, and fetches it if there is none here of the content
// that the sweep was planned with, or none whose units are hashed as those of the
// predictions that are recorded.
func (r *runner) dataset(ctx context.Context, spec sweeps.RunSpec) (*dataset.Store, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := storeKey(spec.Dataset, spec.SplitSeed)
	if store := r.datasets[key]; store != nil {
		return store, nil
	}
	store, err := r.localDataset(ctx, spec)
	if err != nil && r.fetch != nil && ctx.Err() == nil {
		store, err = r.fetchDataset(ctx, spec, err)
	}
	if err != nil {
		return nil, err
	}
	r.datasets[key] = store
	if r.audits != nil {
		r.audits.of(store, spec)
	}
	return store, nil
}

// localDataset opens what is here and tells the tracker of it.
func (r *runner) localDataset(ctx context.Context, spec sweeps.RunSpec) (*dataset.Store, error) {
	ref := spec.Dataset
	store, err := r.home.openReferenced(ctx, ref, spec.SplitSeed)
	if err != nil {
		return nil, err
	}
	if ref.Generator == "" && store.Hash() != ref.Hash {
		err = sdk.Errorf(codeDataDrift, "dataset %s has content %.12s here, the sweep was planned with %.12s; add the same data, or run the sweep file again to plan with this one", ref.Name, store.Hash(), ref.Hash)
	} else if err = r.describe(ctx, store, ref); errors.Is(err, tracker.ErrOtherKey) {
		err = sdk.Errorf(codeDataDrift, "the predictions on dataset %s that are recorded name patients by another installation key than %s; copy that file from where the sweep was started, and remove %s", ref.Name, r.home.keyFile(), store.Dir())
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// fetchDataset is for what the local store does not serve, which missing says.
func (r *runner) fetchDataset(ctx context.Context, spec sweeps.RunSpec, missing error) (*dataset.Store, error) {
	var store *dataset.Store
	err := sweeps.Survive(ctx, r.reconnect, func(ctx context.Context) (err error) {
		store, err = r.fetch.dataset(ctx, spec.Dataset, spec.SplitSeed)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w; %w", missing, err)
	}
	if err := r.describe(ctx, store, spec.Dataset); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// describe tells the tracker what it needs to know of a dataset.
func (r *runner) describe(ctx context.Context, store *dataset.Store, ref sweeps.DatasetRef) error {
	if ref.Generator == "" {
		ref = sweeps.DatasetRef{Name: store.Name(), Hash: store.Hash()}
	}
	return sweeps.Survive(ctx, r.reconnect, func(ctx context.Context) error { return describeDataset(ctx, r.store, store, ref) })
}

func (r *runner) data(store *dataset.Store, spec sweeps.RunSpec) (train.Data, error) {
	split, err := store.Split(splitSpec(spec.Split), spec.SplitSeed)
	if err != nil {
		return train.Data{}, fmt.Errorf("split dataset %s: %w", store.Name(), err)
	}
	tests, err := store.Tests(spec.Shifts, split, spec.SplitSeed)
	if err != nil {
		return train.Data{}, fmt.Errorf("make test sets of %s: %w", store.Name(), err)
	}
	return train.Data{Store: store, Split: split, Tests: tests, Scaling: store.Scaling(split.Train)}, nil
}

// splitSpec is a split of a sweep as datasets know it.
func splitSpec(s sweeps.Split) dataset.SplitSpec {
	return dataset.SplitSpec{
		Scheme: s.Scheme, By: s.By, Fractions: s.Fractions, Folds: s.Folds,
		Source: s.Source, Target: s.Target, FixedTest: s.Test == sweeps.TestFixed,
	}
}

// plugin describes a plugin of exactly the files that the sweep was planned with:
// the installed one, or one that is fetched.
func (r *runner) plugin(ctx context.Context, kind sdk.Kind, ref sweeps.PluginRef) (installed, error) {
	p, err := findPlugin(ctx, r.plugins(), r.pool, kind, ref.Name)
	if err == nil && p.hash != ref.Hash {
		err = sdk.Errorf(sdk.CodePluginAltered, "%s %s has hash %.19s here, the sweep was planned with %.19s; install the same build, or run the sweep file again to plan with this one", kind, ref.Name, p.hash, ref.Hash)
	}
	if code := sdk.CodeOf(err); r.fetch == nil || code != sdk.CodePluginAltered && code != sdk.CodePluginUnknown {
		return p, err
	}
	var entry plugin.Entry
	failed := sweeps.Survive(ctx, r.reconnect, func(ctx context.Context) (err error) {
		entry, err = r.fetch.plugin(ctx, kind, ref)
		return err
	})
	if failed != nil {
		return installed{}, fmt.Errorf("%w; %w", err, failed)
	}
	p, err = describePlugin(ctx, r.pool, entry)
	if err == nil && p.hash != ref.Hash {
		err = sdk.Errorf(sdk.CodePluginAltered, "%s %s was fetched and has changed in %s since; remove that directory", kind, ref.Name, entry.Dir)
	}
	return p, err
}

// trainConfig turns a spec into the configuration of the run loop.
func trainConfig(spec sweeps.RunSpec) (train.Config, error) {
	cfg := train.Config{
		Backbone:  spec.Backbone.Settings,
		Width:     spec.Width,
		Optimizer: optimizer(spec.Optimizer),
		Epochs:    spec.Epochs,
		BatchSize: spec.BatchSize,
		Patience:  spec.Patience,
		Groups:    spec.Groups,
		Examine:   examines(spec),
		InitSeed:  rng.Derive(uint64(spec.InitSeed), "init"),
	}
	if hidden, ok := spec.Head.Int("hidden"); ok {
		cfg.HeadHidden = int(hidden)
	}
	cfg.HeadDropout, _ = spec.Head.Float("dropout")
	var err error
	if cfg.Missingness, cfg.DualBranch, err = components(spec.Missingness, spec.DualBranch); err != nil {
		return cfg, fmt.Errorf("variant %s: %w", spec.Variant, err)
	}
	if spec.Strategy != nil {
		cfg.Strategy = spec.Strategy.Settings
	}
	selection, err := sweeps.ParseSelection(spec.Metric.Select)
	if err != nil {
		return cfg, err
	}
	cfg.Select = train.Selection{Name: selection.Name, Worst: selection.Worst, Observed: selection.Observed, Maximize: spec.Metric.SelectGoal == "maximize"}
	return cfg, nil
}

// components reads the settings of MD and DB; nil is off.
func components(missingness, dualBranch sweeps.Settings) (m *causal.Missingness, d *causal.DualBranch, err error) {
	if missingness != nil {
		if m, err = causal.ParseMissingness(missingness); err != nil {
			return nil, nil, err
		}
	}
	if dualBranch != nil {
		if d, err = causal.ParseDualBranch(dualBranch); err != nil {
			return nil, nil, err
		}
	}
	return m, d, nil
}

func optimizer(s sweeps.Settings) nn.OptimizerConfig {
	float := func(key string) float64 {
		v, _ := s.Float(key)
		return v
	}
	name, _ := s.String("name")
	return nn.OptimizerConfig{
		Name:         name,
		LearningRate: float("lr"),
		WeightDecay:  float("weight_decay"),
		Beta1:        float("beta1"),
		Beta2:        float("beta2"),
		Epsilon:      float("epsilon"),
		Momentum:     float("momentum"),
		ClipNorm:     float("clip_norm"),
	}
}

// pointRecorder hands the values of an epoch to the sweep.
type pointRecorder struct{ sweeps.Recorder }

// Points converts the metrics and tells those who watch.
func (p pointRecorder) Points(epoch int, values train.Values) error {
	if err := p.Recorder.Points(epoch, convertValues(values)); err != nil {
		return err
	}
	p.Progress(epoch)
	return nil
}

func convertValues(values train.Values) map[tracker.Metric]float64 {
	out := make(map[tracker.Metric]float64, len(values))
	for m, v := range values {
		out[tracker.Metric{Name: m.Name, Split: m.Split, Group: m.Group, Level: m.Level}] = v
	}
	return out
}

// plainTestSet is the tracker's name of the test rows as they are.
const plainTestSet = "id"

func convertOutcome(o train.Outcome, epoch, epochs int) (*tracker.Outcome, error) {
	out := &tracker.Outcome{Epoch: epoch, Reason: "completed", Metrics: convertValues(o.Values)}
	if epoch < epochs {
		out.Reason = "early_stop"
	}
	for _, p := range o.Predictions {
		set := p.TestSet
		if set == "test" {
			set = plainTestSet
		}
		out.Predictions = append(out.Predictions, tracker.Prediction{
			TestSet: set, Unit: p.Unit, Class: int16(p.Class), Label: p.Label,
			Score: p.Score, Observed: p.Observed, Pattern: p.Pattern, Weight: p.Weight, Truth: p.Truth,
		})
	}
	for _, d := range o.Diagnostics {
		detail, err := json.Marshal(d.Detail)
		if err != nil {
			return nil, fmt.Errorf("write diagnostic %s: %w", d.Name, err)
		}
		out.Diagnostics = append(out.Diagnostics, tracker.Diagnostic{
			Name: d.Name, Estimate: d.Estimate, Lo: math.NaN(), Hi: math.NaN(), P: math.NaN(), Verdict: d.Verdict, Detail: detail,
		})
	}
	return out, nil
}
