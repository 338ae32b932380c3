package main

import (
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:    sdk.KindStrategy,
	Name:    "modality_dropout",
	Version: "1.0.0",
	Licence: "Apache-2.0",
	Citation: "Neverova et al., ModDrop: adaptive multi-modal gesture recognition, IEEE TPAMI 2016; " +
		"Ma et al., Are multimodal transformers robust to missing modality?, CVPR 2022",
	Text: "Hides observed modalities of training rows, so that no prediction rests on one of them being there.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "rate", Type: sdk.Float, Default: 0.25, Min: 0, Max: 0.95,
			Text: "probability of hiding each observed modality (kind independent)",
		},
		{
			Name: "kind", Type: sdk.String, Default: "independent", Values: []string{"independent", "marginal"},
			Text: "independent hides each modality by itself; marginal shows the intersection with a pattern drawn from the training rows",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

// redraws bounds the attempts to draw a pattern that leaves a row something.
const redraws = 10

type rule struct {
	rate     float64
	marginal bool
	patterns []uint64  // in ascending order
	shares   []float64 // cumulative, of patterns
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	r := &rule{rate: c.Float("rate"), marginal: c.String("kind") == "marginal"}
	count := map[uint64]int{}
	for _, pattern := range c.Open.Availability {
		count[pattern]++
	}
	r.patterns = slices.Sorted(maps.Keys(count))
	rows := 0
	for _, pattern := range r.patterns {
		rows += count[pattern]
		r.shares = append(r.shares, float64(rows)/float64(len(c.Open.Availability)))
	}
	return r, nil
}

// Augment hides modalities; every row keeps at least one of its own.
func (d *rule) Augment(availability []uint64, r *rand.Rand) []uint64 {
	out := make([]uint64, len(availability))
	for i, own := range availability {
		if d.marginal {
			out[i] = d.intersect(own, r)
		} else {
			out[i] = d.drop(own, r)
		}
	}
	return out
}

// drop keeps each observed modality with probability 1-rate; when none is left
// one of the row's own, drawn uniformly, stays.
func (d *rule) drop(own uint64, r *rand.Rand) uint64 {
	kept := own
	for rest := own; rest != 0; rest &= rest - 1 {
		if r.Float64() < d.rate {
			kept &^= rest & -rest
		}
	}
	if kept != 0 || own == 0 {
		return kept
	}
	rest := own
	for range r.IntN(bits.OnesCount64(own)) {
		rest &= rest - 1
	}
	return rest & -rest
}

// intersect draws a pattern from the training marginal and keeps what the row
// has of it; a row that never keeps anything stays as it is.
func (d *rule) intersect(own uint64, r *rand.Rand) uint64 {
	for range redraws {
		i, _ := slices.BinarySearch(d.shares, r.Float64())
		if kept := own & d.patterns[min(i, len(d.patterns)-1)]; kept != 0 {
			return kept
		}
	}
	return own
}
