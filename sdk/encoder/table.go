package encoder

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// table is Linear, ReLU, dropout, Linear.
type table struct {
	modality    int
	width       int
	dropout     float64
	hidden, out *nn.Linear
}

func newTable(ps *nn.Params, name string, m int, modality sdk.Modality, c Config, r *rand.Rand) encoder {
	return &table{
		modality: m,
		width:    modality.Width,
		dropout:  c.Dropout,
		hidden:   nn.NewLinear(ps, name+".hidden", modality.Width, c.Hidden, r),
		out:      nn.NewLinear(ps, name+".out", c.Hidden, c.Width, r),
	}
}

func (e *table) encode(t *nn.Tape, b *backbone.Batch, rows []int32) *nn.Var {
	x := t.Const(len(rows), e.width, b.Features(e.modality, rows))
	return e.out.Apply(t, t.Dropout(e.hidden.ApplyReLU(t, x), e.dropout, b.Rand))
}

// embedding is Linear: the features are the output of an encoder already.
type embedding struct {
	modality int
	width    int
	out      *nn.Linear
}

func newEmbedding(ps *nn.Params, name string, m int, modality sdk.Modality, c Config, r *rand.Rand) encoder {
	return &embedding{modality: m, width: modality.Width, out: nn.NewLinear(ps, name+".out", modality.Width, c.Width, r)}
}

func (e *embedding) encode(t *nn.Tape, b *backbone.Batch, rows []int32) *nn.Var {
	return e.out.Apply(t, t.Const(len(rows), e.width, b.Features(e.modality, rows)))
}
