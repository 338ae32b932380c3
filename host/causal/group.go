package causal

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk/nn"
)

// group is a set of parameters with an optimiser of its own, so that what is not
// trained in a stage is not moved by momentum or weight decay either.
type group struct {
	name      string
	params    *nn.Params
	optimizer nn.Optimizer
}

// newGroup builds parameters with build and their optimiser.
func newGroup(name string, cfg nn.OptimizerConfig, build func(*nn.Params)) (*group, error) {
	g := &group{name: name, params: &nn.Params{}}
	build(g.params)
	var err error
	if g.optimizer, err = nn.NewOptimizer(g.params.All(), cfg); err != nil {
		return nil, fmt.Errorf("build optimizer: %w", err)
	}
	return g, nil
}
