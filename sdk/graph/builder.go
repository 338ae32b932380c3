package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Builder has the inputs of a graph and makes its parameters and fused
// operations. After the first mistake its methods return nil and do nothing, and
// New reports it.
type Builder struct {
	config backbone.Config
	g      *gorgonia.ExprGraph
	params *nn.Params

	inputs []*input
	values []parameter
	names  map[string]*gorgonia.Node
	// data is the memory of the inputs and parameters, owners are the parameters.
	data   map[*gorgonia.Node][]float32
	owners map[*gorgonia.Node]*nn.Param
	fused  int // operations so far
	// current is the batch of the run under way, for Blocks.
	current *backbone.Batch
	err     error
}

// input is a node that is filled before every run.
type input struct {
	data []float32 // [MaxBatch, cols], the memory of the node's value
	fill func(dst []float32, batch *backbone.Batch)
}

type parameter struct {
	*nn.Param
	node *gorgonia.Node
}

// Config is what the model is built from.
func (b *Builder) Config() backbone.Config { return b.config }

// Graph is the gorgonia graph under construction.
func (b *Builder) Graph() *gorgonia.ExprGraph { return b.g }

// Params are the parameters so far, for layers of sdk/nn inside a Block.
func (b *Builder) Params() *nn.Params { return b.params }

// Input makes a node [MaxBatch, cols] that fill writes before every run. dst is
// zero, and rows from batch.Size on must stay so.
func (b *Builder) Input(name string, cols int, fill func(dst []float32, batch *backbone.Batch)) *gorgonia.Node {
	rows := b.config.MaxBatch
	data := make([]float32, rows*cols)
	node := b.leaf("input "+name, rows, cols, data)
	if node != nil {
		b.inputs = append(b.inputs, &input{data: data, fill: func(dst []float32, batch *backbone.Batch) {
			clear(dst)
			fill(dst, batch)
		}})
	}
	return node
}

// Features are the standardised features of a tabular or embedding modality,
// [MaxBatch, Width]: zero in rows that do not have it. For a sequence use Encode
// or a Block.
func (b *Builder) Features(m int) *gorgonia.Node {
	if !b.modality(m) {
		return nil
	}
	modality := b.config.Modalities[m]
	if modality.Kind == sdk.Sequence {
		return b.fail("modality %s is a sequence; read it in a Block or with Encode", modality.Name)
	}
	name := fmt.Sprintf("features %d", m)
	if node := b.names["input "+name]; node != nil {
		return node
	}
	return b.Input(name, modality.Width, func(dst []float32, batch *backbone.Batch) {
		rows := batch.Observed(m)
		if len(rows) == 0 {
			return
		}
		x := batch.Features(m, rows)
		for i, r := range rows {
			copy(dst[int(r)*modality.Width:], x[i*modality.Width:(i+1)*modality.Width])
		}
	})
}

// Available is 1 in rows that have modality m and 0 in others, [MaxBatch, 1].
func (b *Builder) Available(m int) *gorgonia.Node {
	if !b.modality(m) {
		return nil
	}
	name := fmt.Sprintf("available %d", m)
	if node := b.names["input "+name]; node != nil {
		return node
	}
	return b.Input(name, 1, func(dst []float32, batch *backbone.Batch) {
		for _, r := range batch.Observed(m) {
			dst[r] = 1
		}
	})
}

// Availability has one column for each modality, [MaxBatch, modalities], 1 where
// a row has it.
func (b *Builder) Availability() *gorgonia.Node {
	if node := b.names["input availability"]; node != nil {
		return node
	}
	cols := len(b.config.Modalities)
	return b.Input("availability", cols, func(dst []float32, batch *backbone.Batch) {
		for m := range cols {
			for _, r := range batch.Observed(m) {
				dst[int(r)*cols+m] = 1
			}
		}
	})
}

// Param makes a parameter. Names are unique.
func (b *Builder) Param(name string, rows, cols int, init nn.Init) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	if b.names["param "+name] != nil {
		return b.fail("two parameters are named %q", name)
	}
	p := b.params.New(name, rows, cols, init)
	node := b.leaf("param "+name, rows, cols, p.Value)
	b.values = append(b.values, parameter{p, node})
	b.owners[node] = p
	return node
}

// Bias makes a parameter [1, cols] of zeros that weight decay leaves alone.
func (b *Builder) Bias(name string, cols int) *gorgonia.Node {
	node := b.Param(name, 1, cols, nn.Zeros)
	if node != nil {
		b.values[len(b.values)-1].NoDecay = true
	}
	return node
}

// leaf makes an input node whose value is data. Gorgonia takes nodes of one name,
// type and shape for one node, hence the check.
func (b *Builder) leaf(name string, rows, cols int, data []float32) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	if rows < 1 || cols < 1 {
		return b.fail("%s has shape [%d, %d]", name, rows, cols)
	}
	if b.names[name] != nil {
		return b.fail("two nodes are named %q", name)
	}
	node, err := newLeaf(b.g, name, rows, cols, data)
	if err != nil {
		return b.fail("%v", err)
	}
	b.names[name] = node
	b.data[node] = data
	return node
}

// newLeaf makes a node without inputs whose value is data.
func newLeaf(g *gorgonia.ExprGraph, name string, rows, cols int, data []float32) (*gorgonia.Node, error) {
	node := gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(rows, cols), gorgonia.WithName(name))
	if err := gorgonia.Let(node, dense(rows, cols, data)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return node, nil
}

// children are the inputs of n, in order.
func children(g *gorgonia.ExprGraph, n *gorgonia.Node) []*gorgonia.Node {
	var nodes []*gorgonia.Node
	for it := g.From(n.ID()); it.Next(); {
		if child, ok := it.Node().(*gorgonia.Node); ok {
			nodes = append(nodes, child)
		}
	}
	return nodes
}

func (b *Builder) modality(m int) bool {
	if b.err == nil && (m < 0 || m >= len(b.config.Modalities)) {
		b.fail("modality %d of %d", m, len(b.config.Modalities))
	}
	return b.err == nil
}

// fail keeps the first mistake and returns nil for convenience.
func (b *Builder) fail(format string, args ...any) *gorgonia.Node {
	if b.err == nil {
		b.err = fmt.Errorf("build graph: "+format, args...)
	}
	return nil
}

// dense makes a tensor over data without copying it.
func dense(rows, cols int, data []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(data))
}

// unique makes a name of an input that the author does not name.
func (b *Builder) unique(name string) string { return fmt.Sprintf("%s %d", name, len(b.inputs)) }
