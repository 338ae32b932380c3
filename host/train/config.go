package train

import (
	"fmt"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Config is everything, besides the data and the plugins, that decides the
// bits of a run.
type Config struct {
	// Missingness and DualBranch switch the two components on; nil is off.
	Missingness *causal.Missingness
	DualBranch  *causal.DualBranch

	// Backbone and Strategy are hyperparameters as the plugin's Info declares
	// them, complete with defaults.
	Backbone map[string]any
	Strategy map[string]any

	// Width is the width of the representation h.
	Width int
	// HeadHidden and HeadDropout shape the classifier of the host.
	HeadHidden  int
	HeadDropout float64

	Optimizer nn.OptimizerConfig
	Epochs    int
	BatchSize int
	// Patience is the number of epochs without a better validation value after
	// which training stops; 0 trains all epochs.
	Patience int

	// Select is the validation metric that picks the best epoch.
	Select Selection
	// Groups are the subgroup columns that test metrics are reported for;
	// "pattern" is the availability pattern.
	Groups []string

	// Examine asks the finished model for an Examination.
	Examine bool

	// InitSeed is the stream of weights, dropout, batch order and every other
	// draw of training. Replicate s uses the same value in every cell.
	InitSeed uint64
}

// Validate returns the first thing that makes the configuration unusable.
func (c Config) Validate() error {
	switch {
	case c.Epochs < 1:
		return fmt.Errorf("run.epochs is %d, it must be at least 1", c.Epochs)
	case c.BatchSize < 2:
		return fmt.Errorf("run.batch_size is %d, it must be at least 2", c.BatchSize)
	case c.Width < 1:
		return fmt.Errorf("run.width is %d, it must be at least 1", c.Width)
	case c.Patience < 0:
		return fmt.Errorf("run.patience is %d, it must not be negative", c.Patience)
	}
	return c.Select.validate()
}
