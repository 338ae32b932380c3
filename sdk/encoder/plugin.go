package encoder

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Hyperparameters are those that For reads. A backbone lists them before its own.
func Hyperparameters() []sdk.Hyperparameter { return HyperparametersWith(64, 0.25) }

// HyperparametersWith are Hyperparameters with the defaults of a paper.
func HyperparametersWith(hidden int, dropout float64) []sdk.Hyperparameter {
	return []sdk.Hyperparameter{
		{
			Name: "hidden", Type: sdk.Int, Default: hidden, Min: 1, Max: 4096, Log: true,
			Text: "Width of the hidden layers: of the encoders of tables, of the state of the encoders of sequences, and of the fusion network.",
		},
		{
			Name: "dropout", Type: sdk.Float, Default: dropout, Min: 0, Max: 0.95,
			Text: "Rate of dropout after hidden layers, in training.",
		},
	}
}

// For makes the encoders of a backbone from its configuration: embeddings of the
// given width, hidden and dropout from the hyperparameters.
func For(ps *nn.Params, c backbone.Config, width int) *Set {
	return New(ps, Config{
		Modalities: c.Modalities,
		Width:      width,
		Hidden:     c.Int("hidden"),
		Dropout:    c.Float("dropout"),
		Rand:       c.Rand,
	})
}
