package encoder

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Transformer is the masked multimodal transformer (Ma et al., CVPR 2022): a CLS token
// and one token for each modality that a row has, t_m = Linear(e_m) + position_m, pass
// through pre-norm layers; the answer is that of the CLS token, normalised. Missing
// modalities are neither queries nor keys. Further tokens may be put in front.
type Transformer struct {
	encoders *Set
	token    []*nn.Linear
	position *nn.Param // [1 + modalities, hidden]; row 0 is CLS
	layers   []*nn.TransformerLayer
	norm     *nn.LayerNorm
	dropout  float64

	tokens nn.Tokens
	stack  []*nn.Var
}

// TransformerHyperparameters are those that NewTransformer reads.
func TransformerHyperparameters() []sdk.Hyperparameter {
	return append(Hyperparameters(),
		sdk.Hyperparameter{
			Name: "layers", Type: sdk.Int, Default: 2, Min: 1, Max: 12,
			Text: "Number of transformer layers.",
		},
		sdk.Hyperparameter{
			Name: "heads", Type: sdk.Int, Default: 4, Min: 1, Max: 64,
			Text: "Number of attention heads; it must divide hidden, which is the width of the tokens.",
		},
	)
}

// NewTransformer makes the transformer of a backbone from its configuration; heads
// that do not divide hidden are refused with code bad_request.
func NewTransformer(ps *nn.Params, c backbone.Config) (*Transformer, error) {
	d, heads := c.Int("hidden"), c.Int("heads")
	if err := CheckHeads("hidden", d, heads); err != nil {
		return nil, err
	}
	m := &Transformer{dropout: c.Float("dropout")}
	m.encoders = For(ps, c, d)
	for i, modality := range c.Modalities {
		m.token = append(m.token, nn.NewLinear(ps, "token."+modality.Name, d, d, c.Rand("token", i)))
	}
	m.position = ps.New("position", 1+len(c.Modalities), d, nn.Normal(c.Rand("position"), 0.02))
	for i := range c.Int("layers") {
		m.layers = append(m.layers, nn.NewTransformerLayer(ps, fmt.Sprintf("layer%d", i), d, heads, m.dropout, c.Rand("layer", i)))
	}
	m.norm = nn.NewLayerNorm(ps, "norm", d)
	return m, nil
}

// CheckHeads refuses heads that do not divide the width of the tokens, the
// hyperparameter of the given name, with code bad_request.
func CheckHeads(name string, width, heads int) error {
	if width%heads != 0 {
		return sdk.Errorf(sdk.CodeBadRequest, "heads is %d and %s is %d, heads must divide %s", heads, name, width, name)
	}
	return nil
}

// Apply is the CLS token of every row, [Size, hidden], when further tokens, each
// [Size, hidden], stand before those of the modalities.
//
// The tokens that exist are kept one below the other, CLS first and then one modality
// after the other: everything but the attention itself works on those rows alone.
func (m *Transformer) Apply(t *nn.Tape, b *backbone.Batch, further ...*nn.Var) *nn.Var {
	m.tokens.Reset(b.Size, 1+len(further)+len(m.token))
	position := t.Param(m.position)
	m.stack = append(m.stack[:0], t.Repeat(t.Rows(position, 0, 1), b.Size))
	m.stack = append(m.stack, further...)
	all := b.All()
	for i := range 1 + len(further) {
		m.tokens.Add(i, all)
	}
	for i := range m.token {
		e, rows := m.encoders.Observed(t, b, i)
		if e == nil {
			continue
		}
		token := t.AddRow(m.token[i].Apply(t, e), t.Rows(position, i+1, i+2))
		m.stack = append(m.stack, t.Dropout(token, m.dropout, b.Rand))
		m.tokens.Add(1+len(further)+i, rows)
	}
	x := t.Stack(m.stack...)
	for i, l := range m.layers {
		keep := -1
		if i == len(m.layers)-1 {
			keep = b.Size
		}
		x = l.Apply(t, x, &m.tokens, keep, b.Rand)
	}
	return m.norm.Apply(t, x)
}
