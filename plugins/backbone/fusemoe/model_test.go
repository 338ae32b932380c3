package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

// small is a model of few parameters.
func small(router, gate string) sdk.Info {
	out := info
	for name, value := range map[string]any{"experts": 4, "top": 2, "router": router, "gate": gate} {
		out = backbonetest.With(out, name, value)
	}
	return out
}

func TestModel(t *testing.T) {
	for router, gate := range map[string]string{"joint": "laplace", "modality": "gaussian", "disjoint": "softmax"} {
		t.Run(router, func(t *testing.T) { backbonetest.Run(t, small(router, gate), build) })
	}
}

// In the reference each modality has a router to shared experts, by distance, and no
// noise is drawn.
func TestReference(t *testing.T) {
	backbonetest.Reference(t, info, func(c backbone.Config) (backbone.Model, error) {
		m, err := newModel(c)
		for _, l := range m.routers {
			l.gates.Draw = func(dst []float32) { clear(dst) }
		}
		return backbone.FromTape(m), err
	})
}

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, small("modality", "laplace"), func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c) })
}
