package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

// small is a model of few parameters, with two layers of experts.
func small() sdk.Info {
	out := info
	for name, value := range map[string]any{"patches": 3, "experts": 4, "top": 2, "layers": 3} {
		out = backbonetest.With(out, name, value)
	}
	return out
}

func TestModel(t *testing.T) { backbonetest.Run(t, small(), build) }

// In the reference no noise is drawn.
func TestReference(t *testing.T) {
	backbonetest.Reference(t, info, func(c backbone.Config) (backbone.Model, error) {
		m, err := newModel(c)
		for _, l := range m.layers {
			if l.gates != nil {
				l.gates.Draw = func(dst []float32) { clear(dst) }
			}
		}
		return backbone.FromTape(m), err
	})
}

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, small(), func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c) })
}

func TestCombinations(t *testing.T) {
	number := combinations(3)
	for pattern, want := range map[int]int32{0b111: 0, 0b011: 1, 0b101: 2, 0b110: 3, 0b001: 4, 0b010: 5, 0b100: 6, 0: 7} {
		if number[pattern] != want {
			t.Errorf("combination %03b is number %d, want %d", pattern, number[pattern], want)
		}
	}
}
