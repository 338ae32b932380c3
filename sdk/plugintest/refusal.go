package plugintest

import (
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

// Codes with which a request may be refused. On the way through a process, the
// transport may find what is wrong first.
var (
	badRequest  = []sdk.Code{sdk.CodeBadRequest}
	badShape    = []sdk.Code{sdk.CodeBadShape, sdk.CodeBadRequest, sdk.CodeProtocol}
	unsupported = []sdk.Code{sdk.CodeUnsupported, sdk.CodeBadRequest}
	notFinite   = []sdk.Code{sdk.CodeNotFinite, sdk.CodeBadRequest}
	closed      = []sdk.Code{sdk.CodeClosed, sdk.CodeBadRequest}
)

// refused reports a bad request that was not refused with one of the codes.
func refused(p *probe, what string, codes []sdk.Code, err error) {
	switch code := sdk.CodeOf(err); {
	case err == nil:
		p.failf("%s is accepted, want an error with code %s", what, codes[0])
	case !slices.Contains(codes, code):
		p.failf("%s is refused with code %s, want %s: %v", what, code, codes[0], err)
	}
}

// wrongValues are hyperparameters at values outside what is declared, and one
// that is not declared.
func wrongValues(all []sdk.Hyperparameter) []setting {
	var out []setting
	for _, h := range all {
		switch h.Type {
		case sdk.Float, sdk.Int:
			if h.Min == 0 && h.Max == 0 {
				continue
			}
			// Twice, so that the value is another one however large the bound is.
			for _, v := range []float64{h.Min - 1 - math.Abs(h.Min), h.Max + 1 + math.Abs(h.Max)} {
				switch {
				case math.IsInf(v, 0) || math.IsNaN(v):
				case h.Type == sdk.Int:
					out = append(out, setting{h.Name, int64(v)})
				default:
					out = append(out, setting{h.Name, v})
				}
			}
		case sdk.String:
			if len(h.Values) > 0 {
				out = append(out, setting{h.Name, "no_such_choice"})
			}
		}
	}
	return append(out, setting{"no_such_hyperparameter", 1.0})
}

// otherTask is a kind of task the plugin does not take, unsupported or unknown.
func (s *suite) otherTask() sdk.Task {
	for _, task := range []sdk.Task{{Kind: sdk.Binary}, {Kind: sdk.Multiclass, Classes: 3}, {Kind: sdk.Multilabel, Classes: 2}} {
		if s.info.Capabilities.Accepts(task, nil) != nil {
			return task
		}
	}
	return sdk.Task{Kind: "no_such_task", Classes: 2}
}

// checkRefusals makes bad requests. Each must be refused with a code that says
// whose fault it is, and neither end the plugin nor the session.
func (b *backbones) checkRefusals(p *probe) {
	b.checkOpenRefusals(p)
	b.checkForwardRefusals(p)
	b.checkBackwardRefusals(p)
	b.checkRestoreRefusals(p)
	if s, err := b.tryOpen(b.request(p)); err != nil {
		p.failf("after all this no session can be opened: %s", describe(err))
	} else {
		_ = s.close()
	}
}

func (b *backbones) checkOpenRefusals(p *probe) {
	open := func(what string, codes []sdk.Code, change func(*sdk.OpenRequest)) {
		req := b.request(p)
		change(&req)
		s, err := b.tryOpen(req)
		if err == nil {
			_ = s.close()
		}
		refused(p, "Open with "+what, codes, err)
	}
	for _, s := range wrongValues(b.info.Hyperparameters) {
		open(s.String(), badRequest, func(r *sdk.OpenRequest) {
			values := sdk.Values{}
			for name, v := range r.Hyperparameters {
				values[name] = v
			}
			values[s.name] = s.value
			r.Hyperparameters = values
		})
	}
	task := b.otherTask()
	open(fmt.Sprintf("a %s task", task.Kind), unsupported, func(r *sdk.OpenRequest) { r.Task = task })
	kind := sdk.ModalityKind("no_such_kind")
	for _, k := range []sdk.ModalityKind{sdk.Tabular, sdk.Sequence, sdk.Embedding} {
		if kinds := b.info.Capabilities.ModalityKinds; len(kinds) > 0 && !slices.Contains(kinds, k) {
			kind = k
		}
	}
	open(fmt.Sprintf("a %s modality", kind), unsupported, func(r *sdk.OpenRequest) {
		r.Modalities = slices.Clone(r.Modalities)
		r.Modalities[0].Kind = kind
	})
	open("a modality that the feature store does not have", badRequest, func(r *sdk.OpenRequest) {
		r.Modalities = slices.Clone(r.Modalities)
		r.Modalities[0].Name = "no_such_modality"
	})
	open("a modality of another width than in the feature store", badShape, func(r *sdk.OpenRequest) {
		r.Modalities = slices.Clone(r.Modalities)
		r.Modalities[0].Width++
		r.Modalities[0].Scaling = sdk.Scaling{}
	})
	open("no modalities", badRequest, func(r *sdk.OpenRequest) { r.Modalities = nil })
	open("width 0", badRequest, func(r *sdk.OpenRequest) { r.Width = 0 })
	open("an unknown optimiser", badRequest, func(r *sdk.OpenRequest) { r.Optimizer.Name = "no_such_optimiser" })
}

// unharmed makes a bad request in a fresh session after one training step and
// then expects the session to answer what it answered before.
func (b *backbones) unharmed(p *probe, what string, codes []sdk.Code, bad func(*backbone) error) {
	s := b.open(p, b.request(p))
	_, err := s.train(1, 2)
	p.must(err, "train a step")
	before := s.h(p, b.eval(b.mixed()))
	refused(p, what, codes, bad(s))
	after, err := s.forward(b.eval(b.mixed()))
	if err != nil {
		p.failf("after %s the session is of no use: %s", what, describe(err))
	} else if b.exact() && !sameBits(before, after.H.Data) {
		p.failf("after %s the session answers another h than before", what)
	}
}

func (b *backbones) checkForwardRefusals(p *probe) {
	forward := func(what string, codes []sdk.Code, change func(*sdk.ForwardRequest)) {
		b.unharmed(p, "Forward with "+what, codes, func(s *backbone) error {
			req := b.batch(2, s.task)
			change(&req)
			_, err := s.forward(req)
			return err
		})
	}
	forward("no rows", badShape, func(r *sdk.ForwardRequest) { r.Rows, r.Availability, r.Labels = nil, nil, nil })
	forward("more rows than the session was opened for", badShape, func(r *sdk.ForwardRequest) {
		*r = b.train(sequence(batchRows+1), b.table.availability[:batchRows+1], 2, b.tasks()[0])
	})
	forward("a row beyond the feature store", badRequest, func(r *sdk.ForwardRequest) { r.Rows[1] = tableRows })
	forward("a negative row", badRequest, func(r *sdk.ForwardRequest) { r.Rows[1] = -1 })
	forward("availability bits of no modality", badRequest, func(r *sdk.ForwardRequest) {
		r.Availability[0] |= 1 << len(b.table.modalities)
	})
	forward("fewer masks than rows", badShape, func(r *sdk.ForwardRequest) { r.Availability = r.Availability[1:] })
	if b.info.Capabilities.NeedsLabels {
		forward("too few labels", badShape, func(r *sdk.ForwardRequest) { r.Labels = r.Labels[1:] })
	}
}

func (b *backbones) checkBackwardRefusals(p *probe) {
	zeros := func(rows, width int) sdk.Tensor { return sdk.NewTensor(rows, width) }
	fresh := func(what string, prepare func(*backbone) int) {
		b.unharmed(p, what, badRequest, func(s *backbone) error {
			rows := prepare(s)
			_, err := s.backward(zeros(rows, hWidth))
			return err
		})
	}
	fresh("Backward after Backward, without a Forward between,", func(*backbone) int { return len(b.batch(1, b.tasks()[0]).Rows) })
	fresh("Backward after a Forward in eval mode", func(s *backbone) int {
		s.h(p, b.eval([]int32{0, 1}))
		return 2
	})
	s := b.open(p, b.request(p))
	_, err := s.backward(zeros(2, hWidth))
	refused(p, "Backward before any Forward", badRequest, err)

	after := func(what string, codes []sdk.Code, dh func(rows int) sdk.Tensor) {
		b.unharmed(p, "Backward with "+what, codes, func(s *backbone) error {
			req := b.batch(2, s.task)
			s.h(p, req)
			_, err := s.backward(dh(len(req.Rows)))
			return err
		})
	}
	after("a row too many in dh", badShape, func(rows int) sdk.Tensor { return zeros(rows+1, hWidth) })
	after("a column too few in dh", badShape, func(rows int) sdk.Tensor { return zeros(rows, hWidth-1) })
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		after(fmt.Sprintf("%v in dh", v), notFinite, func(rows int) sdk.Tensor {
			dh := zeros(rows, hWidth)
			dh.Data[hWidth+1] = float32(v)
			return dh
		})
	}
}

func (b *backbones) checkRestoreRefusals(p *probe) {
	s := b.open(p, b.request(p))
	_, err := s.train(1, 2)
	p.must(err, "train a step")
	saved, err := s.snapshot()
	p.must(err, "Snapshot")
	want := s.h(p, b.eval(b.mixed()))
	for _, c := range brokenStates(saved) {
		refused(p, "Restore of "+c.name, badShape, s.restore(c.state))
		// A damaged state may leave the session in any state but a dead one.
		if err := s.restore(saved); err != nil {
			p.failf("after Restore of %s the session cannot be restored: %s", c.name, describe(err))
			return
		}
		if h := s.h(p, b.eval(b.mixed())); b.exact() && !sameBits(h, want) {
			p.failf("after Restore of %s, and then of a good snapshot, h is another", c.name)
		}
	}
}

type brokenState struct {
	name  string
	state state
}

// brokenStates are damaged copies of a snapshot.
func brokenStates(saved state) []brokenState {
	var out []brokenState
	add := func(name string, change func(*state)) {
		s := saved.clone()
		change(&s)
		out = append(out, brokenState{name, s})
	}
	if n := len(saved.bytes); n > 0 {
		add("half a state", func(s *state) { s.bytes = s.bytes[:n/2] })
		add("a state of other bytes", func(s *state) {
			for i := range s.bytes {
				s.bytes[i] = byte(251 * (i + 1))
			}
		})
	} else {
		add("a state although there is none", func(s *state) { s.bytes = []byte("no state") })
	}
	if len(saved.parameters) > 0 {
		add("a snapshot without its first parameter", func(s *state) { s.parameters = s.parameters[1:] })
		add("a parameter of another name", func(s *state) { s.parameters[0].Name = "no_such_parameter" })
		add("a parameter of another shape", func(s *state) { s.parameters[0].Tensor = sdk.NewTensor(1, 2, 3) })
	} else {
		add("a parameter although there is none", func(s *state) {
			s.parameters = []sdk.NamedTensor{{Name: "no_such_parameter", Tensor: sdk.NewTensor(1)}}
		})
	}
	return out
}

// checkClose closes a session twice and calls it afterwards.
func (b *backbones) checkClose(p *probe) {
	s, err := b.tryOpen(b.request(p))
	p.must(err, "open a session")
	_, err = s.train(1, 2)
	p.must(err, "train a step")
	p.must(s.close(), "Close")
	closeAgain(p, s.close())
	_, err = s.forward(b.eval(b.mixed()))
	refused(p, "Forward after Close", closed, err)
	_, err = s.snapshot()
	refused(p, "Snapshot after Close", closed, err)
	// With a Forward that waits for its Backward.
	waiting, err := b.tryOpen(b.request(p))
	p.must(err, "open a session after another was closed")
	waiting.h(p, b.batch(1, waiting.task))
	p.must(waiting.close(), "Close between Forward and Backward")
}

func closeAgain(p *probe, err error) {
	if err != nil && sdk.CodeOf(err) != sdk.CodeClosed {
		p.failf("the second Close: %s", describe(err))
	}
}
