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
// schedules and differentiates what is left: the stock operations and the clusters,
// which is one cluster for a graph of fused operations alone.
type compiler struct {
	b       *Builder
	g       *gorgonia.ExprGraph
	live    []*gorgonia.Node // inputs before their readers
	readers map[*gorgonia.Node][]*gorgonia.Node
	roots   map[*gorgonia.Node]*gorgonia.Node // of a fused node: the output of its cluster
	places  map[*gorgonia.Node]*gorgonia.Node // of nodes that gorgonia sees
	trained map[*gorgonia.Node]bool           // a gradient must pass
	wrt     gorgonia.Nodes                    // anchors, then parameters that gorgonia sees
	seen    []*nn.Param                       // these parameters
	anchors int
}

func newCompiler(b *Builder, h *gorgonia.Node) *compiler {
	c := &compiler{
		b: b, g: gorgonia.NewGraph(),
		readers: map[*gorgonia.Node][]*gorgonia.Node{},
		roots:   map[*gorgonia.Node]*gorgonia.Node{},
		places:  map[*gorgonia.Node]*gorgonia.Node{},
		trained: map[*gorgonia.Node]bool{},
	}
	c.visit(h)
	return c
}

// visit lists n and what leads to it.
func (c *compiler) visit(n *gorgonia.Node) {
	if _, known := c.trained[n]; known {
		return
	}
	op, isFused := n.Op().(*fused)
	trained := c.b.owners[n] != nil || isFused && op.block
	c.trained[n] = trained
	for _, child := range children(c.b.g, n) {
		c.visit(child)
		trained = trained || c.trained[child]
		c.readers[child] = append(c.readers[child], n)
	}
	c.trained[n] = trained
	c.live = append(c.live, n)
}

// compile returns h of the graph that is run.
func (c *compiler) compile(h *gorgonia.Node) (*gorgonia.Node, error) {
	for i := len(c.live) - 1; i >= 0; i-- {
		if n := c.live[i]; isFused(n) {
			c.roots[n] = c.root(n)
		}
	}
	for _, n := range c.live {
		var err error
		switch {
		case n.Op() == nil:
			if !c.inside(n) || n == h {
				err = c.leaf(n)
			}
		case isFused(n):
			if c.roots[n] == n {
				err = c.cluster(n)
			}
		default:
			err = c.stock(n)
		}
		if err != nil {
			return nil, fmt.Errorf("build graph: %w", err)
		}
	}
	return c.places[h], nil
}

// root finds the output of the cluster of a fused node, whose readers are done.
func (c *compiler) root(n *gorgonia.Node) *gorgonia.Node {
	var root *gorgonia.Node
	for _, reader := range c.readers[n] {
		if !isFused(reader) || root != nil && root != c.roots[reader] {
			return n
		}
		root = c.roots[reader]
	}
	if root == nil {
		return n // h
	}
	return root
}

func isFused(n *gorgonia.Node) bool {
	_, ok := n.Op().(*fused)
	return ok
}

// inside reports whether only fused operations read a leaf.
func (c *compiler) inside(n *gorgonia.Node) bool {
	for _, reader := range c.readers[n] {
		if !isFused(reader) {
			return false
		}
	}
	return true
}

// leaf shows gorgonia a parameter or an input.
func (c *compiler) leaf(n *gorgonia.Node) error {
	s := n.Shape()
	node, err := newLeaf(c.g, n.Name(), s[0], s[1], c.b.data[n])
	if err != nil {
		return err
	}
	c.places[n] = node
	if p := c.b.owners[n]; p != nil {
		c.wrt, c.seen = append(c.wrt, node), append(c.seen, p)
	}
	return nil
}

// stock applies an operation of gorgonia's as the author did.
func (c *compiler) stock(n *gorgonia.Node) error {
	if n.Op().Arity() == 0 {
		c.places[n] = gorgonia.NewConstant(n.Value())
		return nil
	}
	var inputs gorgonia.Nodes
	for _, child := range children(c.b.g, n) {
		inputs = append(inputs, c.places[child])
	}
	node, err := gorgonia.ApplyOp(n.Op(), inputs...)
	c.places[n] = node
	return err
}

// cluster applies all operations of the cluster whose output is root.
func (c *compiler) cluster(root *gorgonia.Node) error {
	cl := &cluster{key: c.anchors, builder: c.b, tape: nn.NewTape()}
	// The anchor makes gorgonia differentiate a cluster for its parameters.
	anchor, err := newLeaf(c.g, fmt.Sprintf("anchor %d", c.anchors), 1, 1, make([]float32, 1))
	if err != nil {
		return err
	}
	c.anchors++
	if c.trained[root] {
		c.wrt, c.seen = append(c.wrt, anchor), append(c.seen, nil)
	}
	inputs := gorgonia.Nodes{anchor}
	cl.inputs = []operand{{rows: 1, cols: 1, differentiable: c.trained[root]}}

	var members []*gorgonia.Node    // in the order in which they were written
	at := map[*gorgonia.Node]*int{} // places in cl.vars
	var given, own []*int
	for _, n := range c.live {
		if c.roots[n] != root {
			continue
		}
		members = append(members, n)
		for _, child := range children(c.b.g, n) {
			if at[child] != nil || c.roots[child] == root {
				continue
			}
			place := new(int)
			at[child] = place
			s := child.Shape()
			o := operand{rows: s[0], cols: s[1]}
			if node := c.places[child]; node != nil {
				o.differentiable = c.trained[child]
				inputs, cl.inputs, given = append(inputs, node), append(cl.inputs, o), append(given, place)
			} else {
				o.param, o.data = c.b.owners[child], c.b.data[child]
				cl.own, own = append(cl.own, o), append(own, place)
			}
		}
	}
	slices.SortFunc(members, func(x, y *gorgonia.Node) int { return cmp.Compare(x.Op().(*fused).key, y.Op().(*fused).key) })
	next := 1 // after the anchor
	for _, place := range append(given, own...) {
		*place = next
		next++
	}
	for _, n := range members {
		if c.absorbed(n) {
			continue
		}
		op := n.Op().(*fused)
		s := step{op: op, record: op.record}
		from := n
		if op.relu {
			if child := children(c.b.g, n)[0]; c.absorbed(child) {
				s.record, from = child.Op().(*fused).rectified, child
			}
		}
		for _, child := range children(c.b.g, from) {
			s.in = append(s.in, *at[child])
		}
		cl.steps = append(cl.steps, s)
		place := next
		at[n] = &place
		next++
	}
	c.places[root], err = gorgonia.ApplyOp(cl, inputs...)
	return err
}

// absorbed reports whether an operation is done by the ReLU after it.
func (c *compiler) absorbed(n *gorgonia.Node) bool {
	op, ok := n.Op().(*fused)
	if !ok || op.rectified == nil || c.roots[n] == n || len(c.readers[n]) != 1 {
		return false
	}
	reader, ok := c.readers[n][0].Op().(*fused)
	return ok && reader.relu
}
