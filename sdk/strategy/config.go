package strategy

import "github.com/deconfound/deconfound/sdk"

// Config is what a rule is built from.
type Config struct {
	// Open is the host's request: the training rows and the task.
	Open sdk.StrategyOpenRequest
}

// Float returns a float hyperparameter.
func (c Config) Float(name string) float64 { return c.Open.Hyperparameters.Float(name) }

// Int returns an integer hyperparameter.
func (c Config) Int(name string) int { return c.Open.Hyperparameters.Int(name) }

// Bool returns a boolean hyperparameter.
func (c Config) Bool(name string) bool { return c.Open.Hyperparameters.Bool(name) }

// String returns a string hyperparameter.
func (c Config) String(name string) string { return c.Open.Hyperparameters.String(name) }
