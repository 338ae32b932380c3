package graph

import (
	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Encode embeds every modality, sequences too, with package sdk/encoder: one node
// [MaxBatch, width] for each, zero in rows that do not have it. Only rows that
// have a modality are computed.
func (b *Builder) Encode(width, hidden int, dropout float64) []*gorgonia.Node {
	if b.err != nil {
		return make([]*gorgonia.Node, len(b.config.Modalities))
	}
	set := encoder.New(b.params, encoder.Config{
		Modalities: b.config.Modalities,
		Width:      width,
		Hidden:     hidden,
		Dropout:    dropout,
		Rand:       b.config.Rand,
	})
	var nodes []*gorgonia.Node
	for m, modality := range b.config.Modalities {
		nodes = append(nodes, b.Part("encoder "+modality.Name, width, func(t *nn.Tape, batch *backbone.Batch) nn.Part {
			x, rows := set.Observed(t, batch, m)
			if x == nil {
				x = t.Const(0, width, nil)
			}
			return nn.Part{X: x, Rows: rows}
		}))
	}
	return nodes
}
