package graph_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/graph"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// The models of BenchmarkPeer. Four tabular modalities, each with an encoder
// Linear-ReLU-Linear to peerWidth columns and a learned embedding where it is
// missing, are fused
//
//	concat:    h = ReLU(Linear([e_1; …; e_4])), 256 columns
//	attention: h = mean over tokens of a pre-norm transformer block (4 heads,
//	           feed-forward network of 256)
//
// and classified by a linear head of the host's. host/e2e/bench/torch_step.py is
// the same in PyTorch.
const (
	peerBatch  = 256
	peerRows   = 4096
	peerWidth  = 128
	peerFused  = 256
	peerHeads  = 4
	peerWide   = 256
	peerLosses = 20 // first steps whose losses are compared: later ones multiply rounding
)

var peerModalities = []int{64, 128, 256, 512}

// BenchmarkPeer is one training step of a plugin and the head of a host without
// the border between them: gather a batch, forward, cross-entropy, backward, Adam.
// With DECONFOUND_PEER it writes data, initial weights and the first losses of
// each case into that directory, for host/e2e/bench/steps.py to compare.
func BenchmarkPeer(b *testing.B) {
	for _, door := range []string{"tape", "graph"} {
		for _, fusion := range []string{"concat", "attention"} {
			for _, missing := range []int{0, 40} {
				b.Run(fmt.Sprintf("%s/%s/missing=%d", door, fusion, missing), func(b *testing.B) {
					p, err := newPeer(door, fusion, missing)
					if err != nil {
						b.Fatal(err)
					}
					if dir := os.Getenv("DECONFOUND_PEER"); dir != "" {
						if err := p.export(filepath.Join(dir, fmt.Sprintf("%s-%s-%d", door, fusion, missing))); err != nil {
							b.Fatal(err)
						}
					}
					for b.Loop() {
						if _, err := p.train(); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
				})
			}
		}
	}
}

// TestPeer holds the two doors against each other: the same losses.
func TestPeer(t *testing.T) {
	for _, fusion := range []string{"concat", "attention"} {
		var losses [2]float64
		for i, door := range []string{"tape", "graph"} {
			p, err := newPeer(door, fusion, 40)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if losses[i], err = p.train(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if math.Abs(losses[0]-losses[1]) > 1e-5 || losses[0] <= 0 {
			t.Errorf("%s: the loss after three steps is %v on a tape and %v as a graph", fusion, losses[0], losses[1])
		}
	}
}

// peer is a model in training.
type peer struct {
	model        backbone.Model
	loader       *backbone.Loader
	data         *arrays
	availability []uint64
	labels       []int32

	head       nn.Params
	classifier *nn.Linear
	tape       *nn.Tape
	optimizers []nn.Optimizer

	step int
	rows []int32
	seen []uint64
	y    []int32
}

func newPeer(door, fusion string, missing int) (*peer, error) {
	c := backbone.Config{Width: peerFused, Task: sdk.Task{Kind: sdk.Binary}, MaxBatch: peerBatch, Seed: 1}
	if fusion == "attention" {
		c.Width = peerWidth
	}
	for m, width := range peerModalities {
		c.Modalities = append(c.Modalities, sdk.Modality{Name: fmt.Sprintf("m%d", m), Kind: sdk.Tabular, Width: width})
	}
	build := map[string]func(backbone.Config) (backbone.Model, error){
		"tape/concat":     func(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newPeerConcat(c)), nil },
		"tape/attention":  func(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newPeerAttention(c)), nil },
		"graph/concat":    author(peerConcatGraph),
		"graph/attention": author(peerAttentionGraph),
	}[door+"/"+fusion]
	model, err := build(c)
	if err != nil {
		return nil, err
	}
	p := &peer{model: model, data: newArrays(), tape: nn.NewSeededTape()}
	p.loader = backbone.NewLoader(c.Modalities, p.data)
	p.classifier = nn.NewLinear(&p.head, "classifier", c.Width, 2, c.Rand("classifier"))
	r := rng.Stream(3, "labels", missing)
	for range peerRows {
		p.labels = append(p.labels, int32(r.IntN(2)))
		mask := uint64(0)
		for mask == 0 {
			for m := range peerModalities {
				if r.IntN(100) >= missing {
					mask |= 1 << m
				}
			}
		}
		p.availability = append(p.availability, mask)
	}
	for _, params := range [][]*nn.Param{model.Params(), p.head.All()} {
		o, err := nn.NewOptimizer(params, nn.OptimizerConfig{Name: "adam", LearningRate: 1e-3})
		if err != nil {
			return nil, err
		}
		p.optimizers = append(p.optimizers, o)
	}
	return p, nil
}

// train is one step on the next peerBatch rows and returns its loss.
func (p *peer) train() (float64, error) {
	from := p.step * peerBatch % peerRows
	p.step++
	p.rows, p.seen, p.y = p.rows[:0], p.seen[:0], p.y[:0]
	for i := range peerBatch {
		row := int32(from + i)
		p.rows = append(p.rows, row)
		p.seen = append(p.seen, p.availability[row])
		p.y = append(p.y, p.labels[row])
	}
	batch, err := p.loader.Train(p.rows, p.seen, nil, nil)
	if err != nil {
		return 0, err
	}
	h, err := p.model.Forward(batch)
	if err != nil {
		return 0, err
	}
	p.tape.Reset()
	leaf := p.tape.Leaf(peerBatch, p.classifier.Weight.Rows, h)
	loss := p.tape.MeanRows(p.tape.CrossEntropy(p.classifier.Apply(p.tape, leaf), p.y))
	backbone.ZeroGrad(p.model)
	p.tape.ZeroGrad(p.head.All())
	value := float64(loss.Value[0])
	p.tape.BackwardFrom(loss)
	if _, err := p.model.Backward(leaf.Grad); err != nil {
		return 0, err
	}
	for _, o := range p.optimizers {
		o.Step()
	}
	return value, nil
}

// export writes what another program needs to repeat the first steps.
func (p *peer) export(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	write := func(name string, values any) {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			errs = append(errs, err)
			return
		}
		errs = append(errs, binary.Write(f, binary.LittleEndian, values), f.Close())
	}
	for m, x := range p.data.modalities {
		write(fmt.Sprintf("x%d.f32", m), x)
	}
	write("availability.u64", p.availability)
	write("labels.i32", p.labels)
	shapes := map[string][2]int{}
	for _, param := range append(p.model.Params(), p.head.All()...) {
		write(param.Name+".f32", param.Value)
		shapes[param.Name] = [2]int{param.Rows, param.Cols}
	}
	var losses []float64
	for range peerLosses {
		loss, err := p.train()
		if err != nil {
			return err
		}
		losses = append(losses, loss)
	}
	text, err := json.Marshal(map[string]any{"shapes": shapes, "losses": losses})
	return errors.Join(errors.Join(errs...), err, os.WriteFile(filepath.Join(dir, "case.json"), text, 0o600))
}

// arrays is a source in memory, normal draws.
type arrays struct{ modalities [][]float32 }

func newArrays() *arrays {
	a := &arrays{}
	for m, width := range peerModalities {
		r := rng.Stream(2, "features", m)
		x := make([]float32, peerRows*width)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		a.modalities = append(a.modalities, x)
	}
	return a
}

func (a *arrays) Rows() int { return peerRows }

func (a *arrays) Gather(m int, rows []int32, dst []float32) error {
	width := peerModalities[m]
	for i, row := range rows {
		copy(dst[i*width:(i+1)*width], a.modalities[m][int(row)*width:])
	}
	return nil
}

func (a *arrays) Lengths(int, []int32, []int32) error { return errors.New("no sequences") }

// peerEncoder embeds one modality.
type peerEncoder struct {
	modality    int
	hidden, out *nn.Linear
	missing     *nn.Param
}

func newPeerEncoder(ps *nn.Params, c backbone.Config, m int) peerEncoder {
	name := fmt.Sprintf("encoder%d.", m)
	return peerEncoder{
		modality: m,
		hidden:   nn.NewLinear(ps, name+"hidden", peerModalities[m], peerWidth, c.Rand(name, "hidden")),
		out:      nn.NewLinear(ps, name+"out", peerWidth, peerWidth, c.Rand(name, "out")),
		missing:  ps.New(name+"missing", 1, peerWidth, nn.Normal(c.Rand(name, "missing"), 0.02)),
	}
}

// hide is the hidden layer of the rows where the modality is observed.
func (e peerEncoder) hide(t *nn.Tape, b *backbone.Batch) (x *nn.Var, rows []int32) {
	rows = b.Observed(e.modality)
	x = t.Const(len(rows), peerModalities[e.modality], b.Features(e.modality, rows))
	return e.hidden.ApplyReLU(t, x), rows
}

// part computes observed rows only; others have the learned embedding.
func (e peerEncoder) part(t *nn.Tape, b *backbone.Batch) nn.Part {
	x, rows := e.hide(t, b)
	return nn.Part{X: e.out.Apply(t, x), Rows: rows, Missing: t.Param(e.missing)}
}

// peerConcat is the model concat on a tape.
type peerConcat struct {
	params   nn.Params
	encoders []peerEncoder
	fusion   *nn.Linear
}

func newPeerConcat(c backbone.Config) *peerConcat {
	m := &peerConcat{}
	for i := range peerModalities {
		m.encoders = append(m.encoders, newPeerEncoder(&m.params, c, i))
	}
	m.fusion = nn.NewLinear(&m.params, "fusion", len(peerModalities)*peerWidth, peerFused, c.Rand("fusion"))
	return m
}

func (m *peerConcat) Params() *nn.Params { return &m.params }

func (m *peerConcat) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	var parts []nn.Part
	for _, e := range m.encoders {
		parts = append(parts, e.part(t, b))
	}
	return m.fusion.ApplyPartsReLU(t, b.Size, parts), nil
}

// peerAttention is the model attention on a tape.
type peerAttention struct {
	params                   nn.Params
	encoders                 []peerEncoder
	norm1, norm2             *nn.LayerNorm
	query, key, value, merge *nn.Linear
	wide, narrow             *nn.Linear
}

func newPeerAttention(c backbone.Config) *peerAttention {
	m := &peerAttention{}
	ps := &m.params
	for i := range peerModalities {
		m.encoders = append(m.encoders, newPeerEncoder(ps, c, i))
	}
	linear := func(name string, in, out int) *nn.Linear { return nn.NewLinear(ps, name, in, out, c.Rand(name)) }
	m.norm1, m.norm2 = nn.NewLayerNorm(ps, "norm1", peerWidth), nn.NewLayerNorm(ps, "norm2", peerWidth)
	m.query, m.key = linear("query", peerWidth, peerWidth), linear("key", peerWidth, peerWidth)
	m.value, m.merge = linear("value", peerWidth, peerWidth), linear("merge", peerWidth, peerWidth)
	m.wide, m.narrow = linear("wide", peerWidth, peerWide), linear("narrow", peerWide, peerWidth)
	return m
}

func (m *peerAttention) Params() *nn.Params { return &m.params }

func (m *peerAttention) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	tokens := len(m.encoders)
	var parts []nn.Part
	var hidden, weights, biases []*nn.Var
	whole := true
	for _, e := range m.encoders {
		h, rows := e.hide(t, b)
		whole = whole && len(rows) == b.Size
		hidden, weights, biases = append(hidden, h), append(weights, t.Param(e.out.Weight)), append(biases, t.Param(e.out.Bias))
		parts = append(parts, nn.Part{X: h, Rows: rows, Missing: t.Param(e.missing)})
	}
	var x, y *nn.Var
	if whole {
		x = t.Reshape(t.LinearColumns(hidden, weights, biases), b.Size*tokens, peerWidth)
		y = m.norm1.Apply(t, x)
		y = t.Attention(m.query.Apply(t, y), m.key.Apply(t, y), m.value.Apply(t, y), peerHeads, tokens, nil)
	} else {
		for i, e := range m.encoders {
			parts[i].X = e.out.Apply(t, hidden[i])
		}
		stack, place := stackParts(b.Size, parts)
		z := t.Stack(stack...)
		y = m.norm1.Apply(t, z)
		y = t.AttentionAt(m.query.Apply(t, y), m.key.Apply(t, y), m.value.Apply(t, y), peerHeads, tokens, place, nil)
		x = t.Gather(z, place)
	}
	x = m.merge.ApplyAdd(t, x, y)
	x = m.narrow.ApplyAdd(t, x, m.wide.ApplyReLU(t, m.norm2.Apply(t, x)))
	return t.MeanBlocks(x, tokens), nil
}

// stackParts are the tokens that differ, and for each token of each of n rows its place
// among them: what a modality has where it is missing is one row for all.
func stackParts(n int, parts []nn.Part) (stack []*nn.Var, place []int32) {
	place = make([]int32, n*len(parts))
	first := 0
	for i, p := range parts {
		missing := first + len(p.Rows)
		for row := range n {
			place[row*len(parts)+i] = int32(missing)
		}
		for j, row := range p.Rows {
			place[int(row)*len(parts)+i] = int32(first + j)
		}
		stack = append(stack, p.X, p.Missing)
		first = missing + 1
	}
	return stack, place
}

// peerParts are the encoders as operations of a graph.
func peerParts(b *graph.Builder) []*gorgonia.Node {
	var parts []*gorgonia.Node
	for i := range peerModalities {
		e := newPeerEncoder(b.Params(), b.Config(), i)
		parts = append(parts, b.Part(fmt.Sprintf("encoder %d", i), peerWidth, e.part))
	}
	return parts
}

// peerConcatGraph is the model concat as a graph.
func peerConcatGraph(b *graph.Builder) *gorgonia.Node {
	x := b.Columns(peerParts(b)...)
	return b.ReLU(b.Dense("fusion", x, peerFused))
}

// peerAttentionGraph is the model attention as a graph.
func peerAttentionGraph(b *graph.Builder) *gorgonia.Node {
	tokens := len(peerModalities)
	x := b.Reshape(b.Columns(peerParts(b)...), peerBatch*tokens, peerWidth)
	y := b.LayerNorm("norm1", x)
	y = b.Attention(b.Dense("query", y, peerWidth), b.Dense("key", y, peerWidth), b.Dense("value", y, peerWidth), peerHeads, tokens, nil)
	x = b.Sum(x, b.Dense("merge", y, peerWidth))
	y = b.Dense("narrow", b.ReLU(b.Dense("wide", b.LayerNorm("norm2", x), peerWide)), peerWidth)
	return b.Fused("pool", peerBatch, peerWidth, func(t *nn.Tape, in []*nn.Var) *nn.Var {
		return t.MeanBlocks(in[0], tokens)
	}, b.Sum(x, y))
}
