package main

import (
	"math"
	"math/bits"
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "muse",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Wu et al., Multimodal Patient Representation Learning with Missing Modalities and Labels, ICLR 2024",
	Text: "MUSE: patients and modalities are the nodes of a bipartite graph, an observed modality is an edge with its " +
		"embedding as attribute, and h is read from the patient after some layers of message passing. A contrastive loss " +
		"compares each patient with itself when some of its edges are taken away, a supervised one brings patients of one " +
		"label together. The mask shows through the number of messages that are averaged. Repaired: modality nodes, which " +
		"average over the patients of a batch, are frozen at their running mean outside training, so that a prediction " +
		"does not depend on who else is in the batch.",
	Hyperparameters: append(encoder.HyperparametersWith(128, 0.25),
		sdk.Hyperparameter{Name: "layers", Type: sdk.Int, Default: 2, Min: 1, Max: 8, Text: "Number of layers of message passing."},
		sdk.Hyperparameter{
			Name: "edge_drop", Type: sdk.Float, Default: 0.5, Min: 0, Max: 1,
			Text: "Probability with which a patient loses edges in the second view of the graph; how many stay is drawn from 1 to all but one.",
		},
		sdk.Hyperparameter{Name: "temperature", Type: sdk.Float, Default: 0.07, Min: 0.01, Max: 10, Log: true, Text: "Temperature of the contrastive losses."},
		sdk.Hyperparameter{Name: "contrast", Type: sdk.Float, Default: 0.5, Min: 0, Max: 100, Text: "Weight of the contrastive loss between the two views."},
		sdk.Hyperparameter{Name: "supervised", Type: sdk.Float, Default: 0.5, Min: 0, Max: 100, Text: "Weight of the contrastive loss between patients of one label."},
		sdk.Hyperparameter{
			Name: "batch_independent", Type: sdk.Bool, Default: true,
			Text: "Freeze modality nodes outside training. If false they are averages over the batch at hand, as published.",
		},
	),
	Capabilities: sdk.Capabilities{NeedsLabels: true, BatchIndependent: true, Deterministic: true},
}

// model is section 3 of the paper. Patient nodes start at 1, modality nodes at learned
// vectors, edges at the embeddings e_m; layers are nn.EdgeSAGE, with dropout on the
// nodes between them, and h = Linear(z) for the last state z of the patient. With
// u = norm(tanh(W z)) of the graph, ũ of the second view, S = u ũᵀ/τ and
// T_ij = 1[y_i = y_j], the losses are
//
//	contrast   ½ [CE(S, diagonal) + CE(Sᵀ, diagonal)]
//	supervised ¼ [2·BCE(u uᵀ/τ, T) + BCE(S, T) + BCE(Sᵀ, T)]
//
// of which the last two terms are equal, since T is symmetric. Labels of a
// multi-label task are equal if all that are known of both patients are; pairs
// without such a label do not count.
type model struct {
	params      nn.Params
	task        sdk.Task
	dropout     float64
	temperature float64
	weights     [2]float64 // of the losses
	frozen      bool       // modality nodes outside training

	encoders *encoder.Set
	graph    *nn.Bipartite
	project  *nn.Linear
	out      *nn.Linear
	width    int

	// augment writes the modalities that each row keeps in the second view.
	augment     func(b *backbone.Batch, keep []uint64)
	edges, view nn.Edges
	keep        []uint64
	kept        []int32 // edges of the view
	stack       []*nn.Var
	terms       [2]backbone.Term
}

func build(c backbone.Config) (backbone.Model, error) {
	return backbone.FromTape(newModel(c)), nil
}

func newModel(c backbone.Config) *model {
	m := &model{
		task: c.Task, dropout: c.Float("dropout"), temperature: c.Float("temperature"),
		weights: [2]float64{c.Float("contrast"), c.Float("supervised")}, frozen: c.Bool("batch_independent"),
		width: c.Int("hidden"), augment: dropEdges(c.Float("edge_drop")),
	}
	ps, d := &m.params, m.width
	m.encoders = encoder.For(ps, c, d)
	m.graph = nn.NewBipartite(ps, len(c.Modalities), d, d, c.Int("layers"), c.Rand)
	m.project = nn.NewLinear(ps, "project", d, d, c.Rand("project"))
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return m
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	m.edges.Reset(b.Size, m.graph.Start.Rows)
	m.stack = m.stack[:0]
	for i := range m.graph.Start.Rows {
		if e, rows := m.encoders.Observed(t, b, i); e != nil {
			m.stack = append(m.stack, e)
			for _, row := range rows {
				m.edges.Add(row, int32(i))
			}
		}
	}
	attributes := t.Const(0, m.width, nil)
	if len(m.stack) > 0 {
		attributes = t.Stack(m.stack...)
	}
	z := m.pass(t, b, &m.edges, attributes, true)
	h := m.out.Apply(t, z)
	if !b.Train || b.Labels == nil {
		return h, nil
	}

	m.selectView(b)
	other := m.pass(t, b, &m.view, t.Gather(attributes, m.kept), false)
	u := t.Normalise(t.Tanh(m.project.Apply(t, z)))
	v := t.Normalise(t.Tanh(m.project.Apply(t, other)))
	across, within := t.Scale(t.MatMulT(u, v), 1/m.temperature), t.Scale(t.MatMulT(u, u), 1/m.temperature)
	own, same := b.All(), equalLabels(t, b, m.task)
	contrast := t.Scale(t.Add(t.CrossEntropy(across, own), t.CrossEntropy(t.Transpose(across), own)), 0.5)
	supervised := t.Scale(t.Add(t.BCE(within, same), t.BCE(across, same)), 0.5)
	m.terms = [2]backbone.Term{
		{Name: "contrast", Weight: m.weights[0], Value: t.WeightedMean(contrast, nil)},
		{Name: "supervised", Weight: m.weights[1], Value: t.WeightedMean(supervised, nil)},
	}
	return h, m.terms[:]
}

// pass is the state of the patients after all layers.
func (m *model) pass(t *nn.Tape, b *backbone.Batch, edges *nn.Edges, attributes *nn.Var, observe bool) *nn.Var {
	z, _ := m.graph.Apply(t, edges, attributes, nn.BipartitePass{
		Rows: b.Size, Frozen: !b.Train && m.frozen, Observe: b.Train && observe, Dropout: m.dropout, Rand: b.Rand,
	}, false)
	return z
}

// selectView makes the graph of the second view.
func (m *model) selectView(b *backbone.Batch) {
	m.keep = append(m.keep[:0], b.Availability...)
	m.augment(b, m.keep)
	m.view.Reset(b.Size, m.graph.Start.Rows)
	m.kept = m.kept[:0]
	for i, row := range m.edges.Rows {
		if node := m.edges.Nodes[i]; m.keep[row]>>node&1 == 1 {
			m.view.Add(row, node)
			m.kept = append(m.kept, int32(i))
		}
	}
}

// dropEdges lets a row with n > 1 modalities keep, with the given probability, 1 to
// n-1 of them.
func dropEdges(probability float64) func(*backbone.Batch, []uint64) {
	return func(b *backbone.Batch, keep []uint64) {
		for i, a := range keep {
			if n := bits.OnesCount64(a); n > 1 && b.Rand.Float64() < probability {
				keep[i] = subset(b.Rand, a, 1+b.Rand.IntN(n-1))
			}
		}
	}
}

// subset draws n of the bits that are set in a.
func subset(r *rand.Rand, a uint64, n int) uint64 {
	var out uint64
	for left := bits.OnesCount64(a); n > 0; left-- {
		bit := a & -a
		a ^= bit
		if r.IntN(left) < n {
			out |= bit
			n--
		}
	}
	return out
}

// equalLabels is T, [Size * Size], NaN where nothing is known.
func equalLabels(t *nn.Tape, b *backbone.Batch, task sdk.Task) []float32 {
	width := task.LabelWidth()
	out := t.Scratch(b.Size * b.Size)
	for i := range b.Size {
		for j := range i + 1 {
			same := equal(b.Labels[i*width:(i+1)*width], b.Labels[j*width:(j+1)*width])
			out[i*b.Size+j], out[j*b.Size+i] = same, same
		}
	}
	return out
}

// equal is 1 if all labels known of both are equal, 0 if not, NaN if there is none.
func equal(a, b []float32) float32 {
	out := float32(math.NaN())
	for k, v := range a {
		switch w := b[k]; {
		case v != v || w != w:
		case v != w:
			return 0
		default:
			out = 1
		}
	}
	return out
}

// State is the running means of the modality nodes.
func (m *model) State() []byte { return m.graph.State() }

func (m *model) SetState(state []byte) error { return m.graph.SetState(state) }
