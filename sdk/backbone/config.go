package backbone

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Config is what a model is built from. It is checked: the width, the maximal
// batch and the number of modalities are positive, the task is valid, and the
// hyperparameters are complete and of their declared types.
type Config struct {
	// Modalities are in the order of the availability bits.
	Modalities []sdk.Modality
	// Width is the number of columns of h.
	Width int
	Task  sdk.Task
	// Hyperparameters are complete with defaults.
	Hyperparameters sdk.Values
	// MaxBatch is the largest Batch.Size the model will see.
	MaxBatch int
	// Seed keys the draws of the session; use Rand rather than the seed itself.
	Seed uint64
}

// Rand returns the stream for initial values. It depends on the seed and the
// labels alone: by giving every part of a model its own label, the initial values
// of one part do not change when another part does.
func (c Config) Rand(labels ...any) *rand.Rand {
	return rng.Stream(c.Seed, append([]any{"init"}, labels...)...)
}

// Float is a hyperparameter of type float, 0 if none of that name is declared.
func (c Config) Float(name string) float64 { return c.Hyperparameters.Float(name) }

// Int is a hyperparameter of type int.
func (c Config) Int(name string) int { return c.Hyperparameters.Int(name) }

// Bool is a hyperparameter of type bool.
func (c Config) Bool(name string) bool { return c.Hyperparameters.Bool(name) }

// Text is a hyperparameter of type string.
func (c Config) Text(name string) string { return c.Hyperparameters.String(name) }
