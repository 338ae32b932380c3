package graph

import (
	"fmt"
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
	m := &model{builder: b, exchange: newExchange(config.MaxBatch, config.Width)}
	if err := m.compile(h); err != nil {
		return nil, err
	}
	return m, nil
}

type model struct {
	builder  *Builder
	exchange *exchange
	machine  gorgonia.VM
	size     int  // rows of the batch under way
	running  *run // the run that waits in the exchange, nil if none
}

// run is one run of the machine; err is set when done is closed.
type run struct {
	done chan struct{}
	err  error
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
	dh, err := gorgonia.ApplyOp(m.exchange, h)
	if err != nil {
		return fmt.Errorf("build graph: exchange: %w", err)
	}
	if len(c.wrt) > 0 {
		gradients, err := gorgonia.Backpropagate(gorgonia.Nodes{h}, gorgonia.Nodes{dh}, c.wrt)
		if err != nil {
			return fmt.Errorf("build graph: differentiate: %w", err)
		}
		for i, p := range c.params {
			if p == nil {
				continue
			}
			if _, err := gorgonia.ApplyOp(accumulate{p}, gradients[i]); err != nil {
				return fmt.Errorf("build graph: gradient of %s: %w", p.Name, err)
			}
		}
	}
	if err := checkSlices(c.g); err != nil {
		return err
	}
	m.machine = gorgonia.NewTapeMachine(c.g)
	return nil
}

func (m *model) Params() []*nn.Param { return m.builder.params.All() }

func (m *model) Forward(batch *backbone.Batch) ([]float32, error) {
	m.abandon()
	b, x := m.builder, m.exchange
	b.current = batch
	for _, in := range b.inputs {
		in.fill(in.data, batch)
	}
	if err := batch.Err(); err != nil {
		return nil, err
	}
	x.train, x.stopped = batch.Train, false
	m.size = batch.Size
	if !batch.Train {
		err := m.machine.RunAll()
		m.machine.Reset()
		if err != nil && !x.stopped {
			return nil, fmt.Errorf("run graph: %w", err)
		}
		return m.h(), batch.Err()
	}
	r := &run{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = m.machine.RunAll()
	}()
	select {
	case <-x.ready:
		m.running = r
		return m.h(), batch.Err()
	case <-r.done:
		m.machine.Reset()
		return nil, fmt.Errorf("run graph: %w", r.err)
	}
}

func (m *model) h() []float32 { return m.exchange.h[:m.size*m.exchange.cols] }

func (m *model) Backward(dh []float32) ([]sdk.Term, error) {
	if m.running == nil {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "backward without a forward in train mode just before it")
	}
	clear(m.exchange.dh[copy(m.exchange.dh, dh):])
	m.exchange.answer <- true
	r := m.running
	<-r.done
	m.running = nil
	m.machine.Reset()
	if r.err != nil {
		return nil, fmt.Errorf("run graph: %w", r.err)
	}
	return nil, nil
}

// Close ends a run that waits for its Backward.
func (m *model) Close() error {
	m.abandon()
	return m.machine.Close()
}

// abandon ends a run that waits for its Backward.
func (m *model) abandon() {
	if m.running == nil {
		return
	}
	m.exchange.answer <- false
	<-m.running.done
	m.running = nil
	m.machine.Reset()
}
