package main

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "grape",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "You et al., Handling Missing Data with Graph Representation Learning, NeurIPS 2020",
	Text: "GRAPE: patients and columns are the nodes of a bipartite graph, an observed value is an edge with the value as " +
		"attribute, and h is read from the patient after some layers of message passing. Every column of a table is a " +
		"node, and so are a few learned columns of a sequence or an embedding. In training some edges are left out, and " +
		"a loss imputes the values of those of tables. The mask shows through the number of messages that are averaged. " +
		"Repaired: column nodes, which average over the patients of a batch, are frozen at their running mean outside " +
		"training, so that a prediction does not depend on who else is in the batch. Cost grows with rows times columns.",
	Hyperparameters: append(encoder.HyperparametersWith(64, 0.25),
		sdk.Hyperparameter{Name: "layers", Type: sdk.Int, Default: 3, Min: 1, Max: 8, Text: "Number of layers of message passing."},
		sdk.Hyperparameter{Name: "columns", Type: sdk.Int, Default: 16, Min: 1, Max: 1024, Log: true, Text: "Number of learned columns of a modality that is not a table."},
		sdk.Hyperparameter{Name: "edge_dropout", Type: sdk.Float, Default: 0.3, Min: 0, Max: 0.95, Text: "Share of the edges that is left out in training."},
		// The paper trains labels or values, not both. With weight 1 values are learned first:
		// on nafld that takes more epochs, and AUROC ends 0.01 lower.
		sdk.Hyperparameter{Name: "impute", Type: sdk.Float, Default: 0.1, Min: 0, Max: 100, Text: "Weight of the loss of imputing values of tables whose edges are left out."},
		sdk.Hyperparameter{
			Name: "batch_independent", Type: sdk.Bool, Default: true,
			Text: "Freeze column nodes outside training. If false they are averages over the batch at hand, as published.",
		},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is section 3 of the paper with layers nn.EdgeSAGE, h = Linear(z) for the last
// state z of the patient, and the loss mean (MLP([z_i; z_j]) - x_ij)² over left-out
// values of tables for the last states z_j of the columns. Columns start at learned
// vectors: what a layer makes of the one-hot vectors of the paper.
type model struct {
	params     nn.Params
	modalities []sdk.Modality
	columns    []int // of each modality
	weight     float64
	frozen     bool

	encoders *encoder.Set // of sequences and embeddings
	graph    *nn.Bipartite
	impute   *nn.MLP // nil without tables
	out      *nn.Linear

	// leave tells the edges that are left out.
	leave       func(r *rand.Rand, edge int) bool
	edges       nn.Edges
	stack       []*nn.Var
	kept        []int32   // values with an edge
	rows, nodes []int32   // of left-out values of tables
	left        []float32 // those values
	terms       [1]backbone.Term
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	rate := c.Float("edge_dropout")
	m := &model{
		modalities: c.Modalities, weight: c.Float("impute"), frozen: c.Bool("batch_independent"),
		leave: func(r *rand.Rand, _ int) bool { return r.Float64() < rate },
	}
	ps, d := &m.params, c.Int("hidden")
	m.encoders = encoder.New(ps, encoder.Config{
		Modalities: c.Modalities, Width: c.Int("columns"), Hidden: d, Dropout: c.Float("dropout"), Rand: c.Rand, Leave: sdk.Tabular,
	})
	nodes := 0
	for _, modality := range c.Modalities {
		columns := c.Int("columns")
		if modality.Kind == sdk.Tabular {
			columns = modality.Width
			if m.impute == nil {
				m.impute = nn.NewMLP(ps, "impute", []int{2 * d, d, 1}, nil, 0, c.Rand("impute"))
			}
		}
		m.columns = append(m.columns, columns)
		nodes += columns
	}
	m.graph = nn.NewBipartite(ps, nodes, 1, d, c.Int("layers"), c.Rand)
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return m
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	m.edges.Reset(b.Size, m.graph.Start.Rows)
	m.stack, m.kept, m.rows, m.nodes, m.left = m.stack[:0], m.kept[:0], m.rows[:0], m.nodes[:0], m.left[:0]
	values, first := 0, 0
	for i, columns := range m.columns {
		if rows := b.Observed(i); rows != nil {
			x, table := m.values(t, b, i, rows)
			m.stack = append(m.stack, t.Reshape(x, len(rows)*columns, 1))
			for k, row := range rows {
				for j := range columns {
					m.add(b, values, row, int32(first+j), table, x.Value[k*columns+j])
					values++
				}
			}
		}
		first += columns
	}
	attributes := t.Const(0, 1, nil)
	if len(m.stack) > 0 {
		attributes = t.Gather(t.Stack(m.stack...), m.kept)
	}
	imputes := b.Train && m.impute != nil
	z, nodes := m.graph.Apply(t, &m.edges, attributes, nn.BipartitePass{
		Rows: b.Size, Frozen: !b.Train && m.frozen, Observe: b.Train, Rand: b.Rand,
	}, imputes)
	h := m.out.Apply(t, z)
	if !imputes {
		return h, nil
	}
	guess := m.impute.Apply(t, t.Concat(t.Gather(z, m.rows), t.Gather(nodes, m.nodes)), nil)
	loss := t.WeightedMean(t.Square(t.Sub(guess, t.Const(len(m.left), 1, m.left))), nil)
	m.terms[0] = backbone.Term{Name: "impute", Weight: m.weight, Value: loss}
	return h, m.terms[:]
}

// values are the columns of modality i of the given rows, and whether it is a table.
func (m *model) values(t *nn.Tape, b *backbone.Batch, i int, rows []int32) (x *nn.Var, table bool) {
	if m.modalities[i].Kind == sdk.Tabular {
		return t.Const(len(rows), m.columns[i], b.Features(i, rows)), true
	}
	x, _ = m.encoders.Observed(t, b, i)
	return x, false
}

// add makes an edge of a value, or leaves it out in training.
func (m *model) add(b *backbone.Batch, value int, row, node int32, table bool, x float32) {
	if !b.Train || !m.leave(b.Rand, value) {
		m.edges.Add(row, node)
		m.kept = append(m.kept, int32(value))
		return
	}
	if table {
		m.rows, m.nodes, m.left = append(m.rows, row), append(m.nodes, node), append(m.left, x)
	}
}

// State is the running means of the column nodes.
func (m *model) State() []byte { return m.graph.State() }

func (m *model) SetState(state []byte) error { return m.graph.SetState(state) }
