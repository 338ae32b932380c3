package backbone

import (
	"context"
	"errors"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
)

// New returns a backbone plugin that opens sessions on the models that build
// makes. info.Kind and
// Capabilities.Erasure are set here. build is called from several goroutines.
func New(info sdk.Info, build func(Config) (Model, error)) sdk.Backbone {
	info.Kind, info.Capabilities.Erasure = sdk.KindBackbone, true
	return &plugin{info: info, build: build}
}

type plugin struct {
	info  sdk.Info
	build func(Config) (Model, error)
}

func (p *plugin) Info(_ context.Context, _ sdk.InfoRequest, response *sdk.InfoResponse) error {
	response.Info = p.info
	return nil
}

func (p *plugin) Open(_ context.Context, request sdk.OpenRequest, response *sdk.OpenResponse) error {
	config, err := p.config(request)
	if err != nil {
		return err
	}
	source, err := openStore(request.FeatureStore, config.Modalities)
	if err != nil {
		return err
	}
	model, err := p.build(config)
	if err != nil {
		source.Close()
		return err
	}
	optimizer, err := nn.NewOptimizer(model.Params(), optimizerConfig(request.Optimizer))
	if err != nil {
		err = sdk.Errorf(sdk.CodeBadRequest, "%v", err)
		return errors.Join(err, closeModel(model), source.Close())
	}
	response.Session = &session{
		config:      config,
		needsLabels: p.info.Capabilities.NeedsLabels,
		source:      source,
		loader:      NewLoader(config.Modalities, source),
		model:       model,
		optimizer:   optimizer,
	}
	return nil
}

// config checks a request. Errors have code bad_request or unsupported.
func (p *plugin) config(r sdk.OpenRequest) (Config, error) {
	if r.Width < 1 {
		return Config{}, sdk.Errorf(sdk.CodeBadRequest, "width is %d, it must be at least 1", r.Width)
	}
	if r.MaxBatch < 1 {
		return Config{}, sdk.Errorf(sdk.CodeBadRequest, "max batch is %d, it must be at least 1", r.MaxBatch)
	}
	if n := len(r.Modalities); n < 1 || n > sdk.MaxModalities {
		return Config{}, sdk.Errorf(sdk.CodeBadRequest, "%d modalities, there must be 1 to %d", n, sdk.MaxModalities)
	}
	for i, m := range r.Modalities {
		if err := checkModality(i, m); err != nil {
			return Config{}, err
		}
	}
	if err := r.Task.Validate(); err != nil {
		return Config{}, err
	}
	if err := p.info.Capabilities.Accepts(r.Task, r.Modalities); err != nil {
		return Config{}, err
	}
	values, err := p.info.Complete(r.Hyperparameters)
	if err != nil {
		return Config{}, err
	}
	return Config{
		Modalities:      r.Modalities,
		Width:           r.Width,
		Task:            r.Task,
		Hyperparameters: values,
		MaxBatch:        r.MaxBatch,
		Seed:            r.Seed,
	}, nil
}

func optimizerConfig(s sdk.OptimizerSettings) nn.OptimizerConfig {
	return nn.OptimizerConfig{
		Name:         s.Name,
		LearningRate: s.LearningRate,
		WeightDecay:  s.WeightDecay,
		Beta1:        s.Beta1,
		Beta2:        s.Beta2,
		Epsilon:      s.Epsilon,
		Momentum:     s.Momentum,
		ClipNorm:     s.ClipNorm,
	}
}
