package plugin

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
)

// Opener opens the sessions of one run: a pool and the run's plugins.
type Opener struct {
	Pool     *Pool
	Backbone Entry
	Strategy Entry // the zero value if the run has none
}

// OpenBackbone opens a session of the run's backbone.
func (o Opener) OpenBackbone(ctx context.Context, req sdk.OpenRequest) (sdk.BackboneSession, error) {
	return o.Pool.OpenBackbone(ctx, o.Backbone, req)
}

// OpenStrategy opens a session of the run's strategy.
func (o Opener) OpenStrategy(ctx context.Context, req sdk.StrategyOpenRequest) (sdk.StrategySession, error) {
	if o.Strategy.Name == "" {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "the run has no strategy")
	}
	return o.Pool.OpenStrategy(ctx, o.Strategy, req)
}
