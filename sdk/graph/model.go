package graph

import (
	"fmt"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// building serialises construction and compilation, for which gorgonia shares pools
// and tables between graphs. Runs need no lock.
var building sync.Mutex

// New makes a model of the graph that build writes. h must be
// [MaxBatch, Width], and every parameter must influence it.
func New(config backbone.Config, build func(*Builder) (h *gorgonia.Node)) (_ backbone.Model, err error) {
	building.Lock()
	defer building.Unlock()
	useKernels()
	var b *Builder
	defer func() {
		// Gorgonia panics on some mistakes; they are the author's to read, not a
		// crash. After a mistake of the Builder's they are its consequence.
		if r := recover(); r != nil {
			if err = b.err; err == nil {
				err = fmt.Errorf("build graph: panic: %v", r)
			}
		}
	}()
	b = &Builder{
		config: config,
		g:      gorgonia.NewGraph(),
		params: &nn.Params{},
		names:  map[string]*gorgonia.Node{},
		data:   map[*gorgonia.Node][]float32{},
		owners: map[*gorgonia.Node]*nn.Param{},
	}
	h := build(b)
	if b.err != nil {
		return nil, b.err
	}
	if h == nil {
		return nil, fmt.Errorf("build graph: h is nil")
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	if s := h.Shape(); len(s) != 2 || s[0] != config.MaxBatch || s[1] != config.Width {
		return nil, fmt.Errorf("build graph: h has shape %v, want (%d, %d): max batch and width", s, config.MaxBatch, config.Width)
	}
	b.params.Flatten()
	m := &model{builder: b, params: b.params.All()}
	if err := m.compile(h); err != nil {
		return nil, err
	}
	return m, nil
}

type model struct {
	builder *Builder
	params  []*nn.Param
	program *program
	dh      []float32 // of batches smaller than the graph
	running bool      // a Forward in training has had no Backward
	// last is the tape that runs backwards after all others, nil if none does. It zeroes
	// the gradients of all parameters but those that added are added to after it.
	last        *nn.Tape
	lazy, added []*nn.Param
}

// compile writes the graph that is run, with the exchange, the gradient and the
// accumulation.
func (m *model) compile(h *gorgonia.Node) error {
	b := m.builder
	c := newCompiler(b, h)
	for _, p := range b.values {
		if !c.leads(p.node) {
			return fmt.Errorf("build graph: parameter %s does not influence h", p.Name)
		}
	}
	h, err := c.compile(h)
	if err != nil {
		return err
	}
	dh, err := gorgonia.ApplyOp(exchange{b.config.MaxBatch, b.config.Width}, h)
	if err != nil {
		return fmt.Errorf("build graph: exchange: %w", err)
	}
	var targets gorgonia.Nodes
	if len(c.wrt) > 0 {
		gradients, err := gorgonia.Backpropagate(gorgonia.Nodes{h}, gorgonia.Nodes{dh}, c.wrt)
		if err != nil {
			return fmt.Errorf("build graph: differentiate: %w", err)
		}
		for i, p := range c.params {
			target := gradients[i]
			if p != nil {
				if target, err = gorgonia.ApplyOp(accumulate{p}, target); err != nil {
					return fmt.Errorf("build graph: gradient of %s: %w", p.Name, err)
				}
				m.added = append(m.added, p)
			}
			targets = append(targets, target)
		}
	}
	if err := checkSlices(c.g); err != nil {
		return err
	}
	m.program = newProgram(c.g, h, dh, targets)
	for _, i := range m.program.backward {
		if op, ok := i.op.(*gradient); ok && op.arity > 1 {
			m.last = op.of.tape
		}
	}
	for _, p := range m.params {
		switch {
		case slices.Contains(m.added, p):
		case m.last == nil:
			m.added = append(m.added, p)
		default:
			m.lazy = append(m.lazy, p)
		}
	}
	return nil
}

func (m *model) Params() []*nn.Param { return m.params }

// Cost implements backbone.Costed. It is that of fused operations; what Gorgonia's own
// operations do is not counted.
func (m *model) Cost() nn.Cost {
	var out nn.Cost
	seen := map[*nn.Tape]bool{}
	for _, i := range m.program.backward {
		op, ok := i.op.(*gradient)
		if !ok || seen[op.of.tape] {
			continue
		}
		seen[op.of.tape] = true
		one := op.of.tape.Cost()
		out.Work, out.Memory = out.Work+one.Work, out.Memory+one.Memory
	}
	return out
}

// ZeroGrad implements backbone.ZeroGrader.
func (m *model) ZeroGrad() {
	for _, p := range m.added {
		clear(p.Grad)
	}
	if m.last != nil {
		m.last.ZeroGrad(m.lazy)
	}
}

func (m *model) Forward(batch *backbone.Batch) ([]float32, error) {
	b := m.builder
	b.current, m.running = batch, false
	for _, in := range b.inputs {
		in.fill(in.data, batch)
	}
	if err := batch.Err(); err != nil {
		return nil, err
	}
	if err := run(m.program.forward); err != nil {
		return nil, err
	}
	if err := batch.Err(); err != nil {
		return nil, err
	}
	h, err := m.program.h.floats()
	if err != nil {
		return nil, fmt.Errorf("run graph: h: %w", err)
	}
	m.running = batch.Train
	return h[:batch.Size*b.config.Width], nil
}

func (m *model) Backward(dh []float32) ([]sdk.Term, error) {
	if !m.running {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "backward without a forward in train mode just before it")
	}
	whole := m.builder.config.MaxBatch * m.builder.config.Width
	if len(dh) < whole {
		if m.dh == nil {
			m.dh = make([]float32, whole)
		}
		clear(m.dh[copy(m.dh, dh):])
		dh = m.dh
	}
	m.running = false
	m.program.dh.set(dh)
	return nil, run(m.program.backward)
}
