package encoder

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// sequence is a gated recurrent network, whose state after the last step of each
// sequence goes through dropout and a linear map. Padding is not computed.
type sequence struct {
	modality      int
	width, length int
	dropout       float64
	recurrent     *nn.GRU
	out           *nn.Linear
}

func newSequence(ps *nn.Params, name string, m int, modality sdk.Modality, c Config, r *rand.Rand) encoder {
	return &sequence{
		modality:  m,
		width:     modality.Width,
		length:    modality.Length,
		dropout:   c.Dropout,
		recurrent: nn.NewGRU(ps, name+".recurrent", modality.Width, c.Hidden, r),
		out:       nn.NewLinear(ps, name+".out", c.Hidden, c.Width, r),
	}
}

func (e *sequence) encode(t *nn.Tape, b *backbone.Batch, rows []int32) *nn.Var {
	x := t.Const(len(rows)*e.length, e.width, b.Features(e.modality, rows))
	state := e.recurrent.Apply(t, x, b.Lengths(e.modality, rows))
	return e.out.Apply(t, t.Dropout(state, e.dropout, b.Rand))
}
