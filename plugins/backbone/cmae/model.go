package main

import (
	"math/bits"
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "cmae",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Ngiam et al., Multimodal Deep Learning, ICML 2011 (bimodal deep autoencoder)",
	Text: "Cross-modal autoencoder, a reconstruction method: the embeddings of all modalities, zero where missing, are " +
		"turned into one code, from which every observed modality is reconstructed, and h is read from the code. In " +
		"training, modalities are hidden from the code that it must reconstruct nevertheless, as in the paper, where two " +
		"thirds of the examples lack one of the two. The mask shows weakly, through the zeros that the code learns to make " +
		"up for. It is not a direct prediction method, which the debiasing components are meant for; it is here to compare.",
	Hyperparameters: append(encoder.HyperparametersWith(128, 0.25),
		sdk.Hyperparameter{Name: "hide", Type: sdk.Float, Default: 0.33, Min: 0, Max: 1, Text: "Probability with which an observed modality is hidden from the code in training; one always stays."},
		sdk.Hyperparameter{Name: "reconstruction", Type: sdk.Float, Default: 1.0, Min: 0, Max: 100, Text: "Weight of the loss of reconstruction."},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is code z = ReLU(Linear([e_1; …; e_M])), h = Linear(z), x̂_m = MLP_m(z). The
// loss is Σ_m of the mean of (x̂_m - x_m)² over the standardised values of rows that
// have m, for a sequence over those within its length.
type model struct {
	params     nn.Params
	modalities []sdk.Modality
	weight     float64

	encoders *encoder.Set
	code     *nn.Linear
	decoders []*nn.MLP
	out      *nn.Linear
	dropout  float64

	// conceal takes modalities away from what the code sees of each row.
	conceal func(r *rand.Rand, shown []uint64)
	shown   []uint64
	terms   [1]backbone.Term
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	d := c.Int("hidden")
	m := &model{
		modalities: c.Modalities, weight: c.Float("reconstruction"), dropout: c.Float("dropout"),
		conceal: hide(c.Float("hide")),
	}
	ps := &m.params
	m.encoders = encoder.For(ps, c, d)
	m.code = nn.NewLinear(ps, "code", len(c.Modalities)*d, d, c.Rand("code"))
	for i, modality := range c.Modalities {
		values := modality.Width * max(1, modality.Length)
		m.decoders = append(m.decoders, nn.NewMLP(ps, "decoder."+modality.Name, []int{d, d, values}, nil, m.dropout, c.Rand("decoder", i)))
	}
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return m
}

// hide draws for each modality of a row whether it is hidden, but for one that is
// drawn to stay.
func hide(probability float64) func(*rand.Rand, []uint64) {
	return func(r *rand.Rand, shown []uint64) {
		for i, own := range shown {
			if bits.OnesCount64(own) < 2 {
				continue
			}
			last := uint64(1) << drawBit(r, own) // stays in any case
			for rest := own &^ last; rest != 0; rest &= rest - 1 {
				if r.Float64() < probability {
					shown[i] &^= rest & -rest
				}
			}
		}
	}
}

// drawBit draws one of the bits that are set.
func drawBit(r *rand.Rand, bitsSet uint64) int {
	for n := r.IntN(bits.OnesCount64(bitsSet)); n > 0; n-- {
		bitsSet &= bitsSet - 1
	}
	return bits.TrailingZeros64(bitsSet)
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	inputs := m.encoders.Encode(t, b)
	if b.Train {
		m.shown = append(m.shown[:0], b.Availability...)
		m.conceal(b.Rand, m.shown)
		for i, e := range inputs {
			mask := t.Scratch(b.Size)
			for row, a := range m.shown {
				mask[row] = float32(a >> i & 1)
			}
			inputs[i] = t.MulRows(e, t.Const(b.Size, 1, mask))
		}
	}
	z := t.Dropout(m.code.ApplyReLU(t, t.Concat(inputs...)), m.dropout, b.Rand)
	h := m.out.Apply(t, z)
	if !b.Train {
		return h, nil
	}
	loss := t.Const(1, 1, t.Scratch(1))
	for i := range m.decoders {
		if rows := b.Observed(i); rows != nil {
			loss = t.Add(loss, m.reconstruct(t, b, z, i, rows))
		}
	}
	m.terms[0] = backbone.Term{Name: "reconstruction", Weight: m.weight, Value: loss}
	return h, m.terms[:]
}

// reconstruct is the mean squared error of modality i in the rows that have it.
func (m *model) reconstruct(t *nn.Tape, b *backbone.Batch, z *nn.Var, i int, rows []int32) *nn.Var {
	modality := m.modalities[i]
	guess := m.decoders[i].Apply(t, t.Gather(z, rows), b.Rand)
	x := b.Features(i, rows)
	miss := t.Square(t.Sub(guess, t.Const(guess.Rows, guess.Cols, x)))
	var within []float32
	if modality.Kind == sdk.Sequence {
		within = t.Scratch(len(x))
		for k, n := range b.Lengths(i, rows) {
			row := within[k*guess.Cols : k*guess.Cols+int(n)*modality.Width]
			for j := range row {
				row[j] = 1
			}
		}
	}
	return t.WeightedMean(t.Reshape(miss, len(x), 1), within)
}
