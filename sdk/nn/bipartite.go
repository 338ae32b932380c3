package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Edges are the edges of a bipartite graph between the rows of a batch and nodes that
// all rows share (columns of a table, modalities). They keep their memory from one
// Reset to the next.
type Edges struct {
	Rows, Nodes           []int32 // ends of every edge
	rowDegree, nodeDegree []float32
}

// Reset forgets the edges and says how many rows and nodes there are.
func (e *Edges) Reset(rows, nodes int) {
	e.Rows, e.Nodes = e.Rows[:0], e.Nodes[:0]
	e.rowDegree, e.nodeDegree = zeros(e.rowDegree, rows), zeros(e.nodeDegree, nodes)
}

// Add adds an edge.
func (e *Edges) Add(row, node int32) {
	e.Rows, e.Nodes = append(e.Rows, row), append(e.Nodes, node)
	e.rowDegree[row]++
	e.nodeDegree[node]++
}

// zeros is s with n zeros.
func zeros(s []float32, n int) []float32 {
	if cap(s) < n {
		s = make([]float32, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// EdgeSAGE is a layer of message passing with attributes on the edges (You et al.,
// Handling Missing Data with Graph Representation Learning, NeurIPS 2020, equations 1
// to 3), on a bipartite graph:
//
//	message_j→i = ReLU(W_m [x_j; a_ij])
//	x_i'        = ReLU(W_a [mean_j message_j→i; x_i])
//	a_ij'       = ReLU(W_e [x_row; x_node; a_ij])
//
// A weight of a concatenation is kept as one matrix for each part, so that products
// with nodes are taken once a node and not once an edge.
type EdgeSAGE struct {
	MessageNode, MessageEdge, MessageBias *Param
	Aggregate, Self, Bias                 *Param
	EdgeRow, EdgeNode, EdgeEdge, EdgeBias *Param // nil in a last layer
}

// NewEdgeSAGE makes the parameters name.message.node and so on, drawn as for the
// concatenations; those of edges only unless last.
func NewEdgeSAGE(ps *Params, name string, node, edge, out int, last bool, r *rand.Rand) *EdgeSAGE {
	draw := func(part string, rows, of int) *Param {
		return ps.New(name+part, rows, out, Uniform(r, 1/math.Sqrt(float64(of))))
	}
	l := &EdgeSAGE{
		MessageNode: draw(".message.node", node, node+edge),
		MessageEdge: draw(".message.edge", edge, node+edge),
		MessageBias: ps.noDecay(name+".message.bias", out, Zeros),
		Aggregate:   draw(".update.message", out, out+node),
		Self:        draw(".update.self", node, out+node),
		Bias:        ps.noDecay(name+".update.bias", out, Zeros),
	}
	if !last {
		l.EdgeRow = draw(".edge.row", out, 2*out+edge)
		l.EdgeNode = draw(".edge.node", out, 2*out+edge)
		l.EdgeEdge = draw(".edge.edge", edge, 2*out+edge)
		l.EdgeBias = ps.noDecay(name+".edge.bias", out, Zeros)
	}
	return l
}

// Messages is the part of W_m [x_j; a] that comes from the attributes [edges, edge],
// which both directions share.
func (l *EdgeSAGE) Messages(t *Tape, attributes *Var) *Var {
	return t.Linear(attributes, t.Param(l.MessageEdge), t.Param(l.MessageBias))
}

// UpdateRows is x' of the rows, given x [rows, node] and that of the nodes.
func (l *EdgeSAGE) UpdateRows(t *Tape, e *Edges, rows, nodes, messages *Var) *Var {
	return l.update(t, rows, nodes, messages, e.Rows, e.Nodes, e.rowDegree)
}

// UpdateNodes is x' of the nodes.
func (l *EdgeSAGE) UpdateNodes(t *Tape, e *Edges, rows, nodes, messages *Var) *Var {
	return l.update(t, nodes, rows, messages, e.Nodes, e.Rows, e.nodeDegree)
}

func (l *EdgeSAGE) update(t *Tape, x, from, messages *Var, target, source []int32, degree []float32) *Var {
	sent := t.Gather(t.Linear(from, t.Param(l.MessageNode), nil), source)
	sum := t.Scatter(t.ReLU(t.Add(sent, messages)), target, x.Rows)
	share := t.Scratch(x.Rows)
	for i, d := range degree {
		share[i] = 1 / max(d, 1)
	}
	mean := t.MulRows(sum, t.Const(x.Rows, 1, share))
	return t.ReLU(t.Add(t.Linear(mean, t.Param(l.Aggregate), t.Param(l.Bias)), t.Linear(x, t.Param(l.Self), nil)))
}

// UpdateEdges is a' [edges, out] from the states after this layer.
func (l *EdgeSAGE) UpdateEdges(t *Tape, e *Edges, rows, nodes, attributes *Var) *Var {
	row := t.Gather(t.Linear(rows, t.Param(l.EdgeRow), nil), e.Rows)
	node := t.Gather(t.Linear(nodes, t.Param(l.EdgeNode), nil), e.Nodes)
	own := t.Linear(attributes, t.Param(l.EdgeEdge), t.Param(l.EdgeBias))
	return t.ReLU(t.Sum(own, row, node))
}

// Bipartite is a network of EdgeSAGE layers. Rows start at 1 and nodes at learned
// vectors. Nodes average over the rows of a batch, so that in inference they are
// frozen at their running means of training: a row then depends on itself alone.
type Bipartite struct {
	Start   *Param // of the nodes, [nodes, width]
	Layers  []*EdgeSAGE
	running []*RunningMean // of the nodes after each layer but the last
}

// NewBipartite makes the parameters nodes and layer0, layer1 and so on; edges have
// attributes of the given width at first, and of width later on. stream returns the
// stream for initial values of a part.
func NewBipartite(ps *Params, nodes, edge, width, layers int, stream func(labels ...any) *rand.Rand) *Bipartite {
	n := &Bipartite{Start: ps.New("nodes", nodes, width, Normal(stream("nodes"), 1))}
	for i := range layers {
		last := i == layers-1
		n.Layers = append(n.Layers, NewEdgeSAGE(ps, fmt.Sprintf("layer%d", i), width, edge, width, last, stream("layer", i)))
		if edge = width; !last {
			n.running = append(n.running, NewRunningMean(nodes*width))
		}
	}
	return n
}

// BipartitePass says how a Bipartite is applied.
type BipartitePass struct {
	Rows int
	// Frozen takes the running means for the nodes, Observe updates them.
	Frozen, Observe bool
	// Dropout is the rate on rows and nodes between layers.
	Dropout float64
	Rand    *rand.Rand
}

// Apply is the state of the rows after all layers, [Rows, width], and that of the
// nodes, which is nil unless nodes are asked for.
func (n *Bipartite) Apply(t *Tape, e *Edges, attributes *Var, p BipartitePass, wantNodes bool) (rows, nodes *Var) {
	width := n.Start.Cols
	start := t.Scratch(p.Rows * width)
	for i := range start {
		start[i] = 1
	}
	rows, nodes = t.Const(p.Rows, width, start), t.Param(n.Start)
	for i, l := range n.Layers {
		messages := l.Messages(t, attributes)
		next := l.UpdateRows(t, e, rows, nodes, messages)
		if i == len(n.Layers)-1 {
			if !wantNodes {
				return next, nil
			}
			return next, l.UpdateNodes(t, e, rows, nodes, messages)
		}
		if p.Frozen {
			nodes = t.Const(nodes.Rows, width, n.running[i].Value)
		} else {
			nodes = l.UpdateNodes(t, e, rows, nodes, messages)
			if p.Observe {
				nodes = t.Observe(nodes, n.running[i])
			}
		}
		rows, nodes = t.Dropout(next, p.Dropout, p.Rand), t.Dropout(nodes, p.Dropout, p.Rand)
		attributes = l.UpdateEdges(t, e, rows, nodes, attributes)
	}
	return rows, nodes
}

// State is the running means: a State of a model may contain it.
func (n *Bipartite) State() []byte {
	var out []byte
	for _, r := range n.running {
		out = append(out, r.State()...)
	}
	return out
}

// SetState takes what State returned for a network of the same shape.
func (n *Bipartite) SetState(state []byte) (err error) {
	for _, r := range n.running {
		if state, err = r.SetState(state); err != nil {
			return err
		}
	}
	if len(state) > 0 {
		return fmt.Errorf("read running means: %d bytes too many", len(state))
	}
	return nil
}
