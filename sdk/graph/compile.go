package graph

import (
	"cmp"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk/nn"
)

// compiler writes the author's graph anew, as it is run. What does not lead to h is
// left out. Fused operations are put together: one whose readers are all in one
// cluster joins it, so that every cluster has one output and none waits for itself.
// A cluster reads parameters and inputs of the Builder where they lie, unless stock
// operations read them too, and adds gradients where they belong. Gorgonia sees,
// schedules and differentiates what is left, the stock operations and the clusters:
// a single one for a graph of fused operations alone.
type compiler struct {
	b       *Builder
	g       *gorgonia.ExprGraph
	live    []*gorgonia.Node // inputs before their readers
	readers map[*gorgonia.Node][]*gorgonia.Node
	trained map[*gorgonia.Node]bool           // parameters lead here
	roots   map[*gorgonia.Node]*gorgonia.Node // the output of the cluster of a fused node
	shown   map[*gorgonia.Node]*gorgonia.Node // what gorgonia sees instead of a node

	// wrt are the nodes whose gradient gorgonia is asked for, and params the
	// parameters they stand for: nil for the anchor of a cluster.
	wrt      gorgonia.Nodes
	params   []*nn.Param
	clusters int
}

func newCompiler(b *Builder, h *gorgonia.Node) *compiler {
	c := &compiler{
		b: b, g: gorgonia.NewGraph(),
		readers: map[*gorgonia.Node][]*gorgonia.Node{},
		trained: map[*gorgonia.Node]bool{},
		roots:   map[*gorgonia.Node]*gorgonia.Node{},
		shown:   map[*gorgonia.Node]*gorgonia.Node{},
	}
	c.visit(h)
	return c
}

// visit lists n and what leads to it.
func (c *compiler) visit(n *gorgonia.Node) {
	if c.leads(n) {
		return
	}
	op := fusedOf(n)
	trained := c.b.owners[n] != nil || op != nil && op.block
	c.trained[n] = trained
	for _, child := range c.inputs(n) {
		c.visit(child)
		c.readers[child] = append(c.readers[child], n)
		trained = trained || c.trained[child]
	}
	c.trained[n] = trained
	c.live = append(c.live, n)
}

// leads reports whether there is a way from n to h.
func (c *compiler) leads(n *gorgonia.Node) bool {
	_, ok := c.trained[n]
	return ok
}

func (c *compiler) inputs(n *gorgonia.Node) []*gorgonia.Node { return children(c.b.g, n) }

// fusedOf is the fused operation of a node, nil if it has another or none.
func fusedOf(n *gorgonia.Node) *fused {
	op, _ := n.Op().(*fused)
	return op
}

// compile returns h of the graph that is run.
func (c *compiler) compile(h *gorgonia.Node) (*gorgonia.Node, error) {
	for _, n := range slices.Backward(c.live) {
		if fusedOf(n) != nil {
			c.roots[n] = c.root(n)
		}
	}
	for _, n := range c.live {
		var err error
		switch {
		case n.Op() == nil:
			if n == h || !c.readByFused(n) {
				err = c.leaf(n)
			}
		case fusedOf(n) == nil:
			err = c.stock(n)
		case c.roots[n] == n:
			err = c.cluster(n)
		}
		if err != nil {
			return nil, fmt.Errorf("build graph: %w", err)
		}
	}
	return c.shown[h], nil
}

// root finds the output of the cluster of a fused node; those of its readers are
// known.
func (c *compiler) root(n *gorgonia.Node) *gorgonia.Node {
	root := n
	for i, reader := range c.readers[n] {
		if fusedOf(reader) == nil || i > 0 && c.roots[reader] != root {
			return n
		}
		root = c.roots[reader]
	}
	return root
}

// readByFused reports whether only fused operations read n.
func (c *compiler) readByFused(n *gorgonia.Node) bool {
	return !slices.ContainsFunc(c.readers[n], func(reader *gorgonia.Node) bool { return fusedOf(reader) == nil })
}

// leaf shows gorgonia a parameter or an input.
func (c *compiler) leaf(n *gorgonia.Node) error {
	s, data, p := n.Shape(), c.b.data[n], c.b.owners[n]
	if p != nil {
		data = p.Value // which New has moved
	}
	node, err := newLeaf(c.g, n.Name(), s[0], s[1], data)
	if err != nil {
		return err
	}
	c.shown[n] = node
	if p != nil {
		c.want(node, p)
	}
	return nil
}

// stock applies an operation of gorgonia's as the author did.
func (c *compiler) stock(n *gorgonia.Node) (err error) {
	if n.Op().Arity() == 0 {
		c.shown[n] = gorgonia.NewConstant(n.Value())
		return nil
	}
	var inputs gorgonia.Nodes
	for _, child := range c.inputs(n) {
		inputs = append(inputs, c.shown[child])
	}
	c.shown[n], err = gorgonia.ApplyOp(n.Op(), inputs...)
	return err
}

// cluster applies all operations of the cluster whose output is root.
func (c *compiler) cluster(root *gorgonia.Node) error {
	cl := &cluster{key: c.clusters, builder: c.b, tape: nn.NewSeededTape()}
	c.clusters++
	// Gorgonia has no operations without inputs, and does not differentiate one for
	// parameters that it does not see: hence the anchor.
	anchor, err := newLeaf(c.g, fmt.Sprintf("anchor %d", cl.key), 1, 1, make([]float32, 1))
	if err != nil {
		return err
	}
	if c.trained[root] {
		c.want(anchor, nil)
	}
	nodes := gorgonia.Nodes{anchor}
	cl.inputs = []operand{{rows: 1, cols: 1, differentiable: c.trained[root]}}

	members := c.members(root)
	var through, direct []*gorgonia.Node // what is read through gorgonia, and directly
	for _, n := range members {
		for _, child := range c.inputs(n) {
			switch {
			case c.roots[child] == root || slices.Contains(through, child) || slices.Contains(direct, child):
			case c.shown[child] != nil:
				through = append(through, child)
			default:
				direct = append(direct, child)
			}
		}
	}
	place := map[*gorgonia.Node]int{} // in cluster.values
	for _, n := range through {
		place[n] = len(cl.inputs)
		s := n.Shape()
		cl.inputs = append(cl.inputs, operand{rows: s[0], cols: s[1], differentiable: c.trained[n]})
		nodes = append(nodes, c.shown[n])
	}
	for _, n := range direct {
		place[n] = len(cl.inputs) + len(cl.own)
		s := n.Shape()
		cl.own = append(cl.own, operand{rows: s[0], cols: s[1], param: c.b.owners[n], data: c.b.data[n]})
	}
	for _, n := range members {
		if c.absorbed(n) {
			continue // done by the one that reads it
		}
		s, from := step{op: fusedOf(n), record: fusedOf(n).record}, n
		var others []*gorgonia.Node
		if before := c.absorbs(n); before != nil {
			from, s.op = before, fusedOf(before)
			if fusedOf(n).relu {
				s.record, s.rectified = s.op.rectified, true
			} else {
				s.record, s.plus = s.op.plus, true
				others = slices.DeleteFunc(c.inputs(n), func(m *gorgonia.Node) bool { return m == before })
			}
		}
		for _, child := range append(c.inputs(from), others...) {
			s.in = append(s.in, place[child])
		}
		place[n] = len(cl.inputs) + len(cl.own) + len(cl.steps)
		cl.steps = append(cl.steps, s)
	}
	c.shown[root], err = gorgonia.ApplyOp(cl, nodes...)
	return err
}

// members are the nodes of a cluster in the order in which they were written.
func (c *compiler) members(root *gorgonia.Node) []*gorgonia.Node {
	var members []*gorgonia.Node
	for _, n := range c.live {
		if c.roots[n] == root {
			members = append(members, n)
		}
	}
	slices.SortFunc(members, func(x, y *gorgonia.Node) int { return cmp.Compare(fusedOf(x).key, fusedOf(y).key) })
	return members
}

// absorbs is the operation before n that is done together with n, which alone reads it:
// a linear map before a ReLU or a sum of two. It is nil if there is none.
func (c *compiler) absorbs(n *gorgonia.Node) *gorgonia.Node {
	op, inputs := fusedOf(n), c.inputs(n)
	if op == nil || !op.relu && !(op.sum && len(inputs) == 2) {
		return nil
	}
	for _, before := range slices.Backward(inputs) {
		if with := fusedOf(before); with != nil && with.linear && len(c.readers[before]) == 1 {
			return before
		}
	}
	return nil
}

// absorbed reports whether the one that reads n does its operation too.
func (c *compiler) absorbed(n *gorgonia.Node) bool {
	return len(c.readers[n]) == 1 && c.absorbs(c.readers[n][0]) == n
}

// want asks gorgonia for a gradient.
func (c *compiler) want(n *gorgonia.Node, p *nn.Param) {
	c.wrt, c.params = append(c.wrt, n), append(c.params, p)
}
