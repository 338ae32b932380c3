package backbonetest

import (
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

// With is info with another default of a hyperparameter, for a check that the usual
// one makes slow or, in float32, inexact.
func With(info sdk.Info, name string, value any) sdk.Info {
	info.Hyperparameters = slices.Clone(info.Hyperparameters)
	for i, h := range info.Hyperparameters {
		if h.Name == name {
			info.Hyperparameters[i].Default = value
			return info
		}
	}
	panic("backbonetest: no hyperparameter " + name)
}
