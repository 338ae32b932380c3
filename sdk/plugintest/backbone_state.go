package plugintest

import (
	"slices"
	"sync"
)

// checkSnapshot takes the state of a session in training to another session,
// which must go on with the same bits.
func (b *backbones) checkSnapshot(p *probe) {
	const before, after = 4, 8
	req := b.request(p)
	first := b.open(p, req)
	start, err := first.train(1, before)
	p.must(err, "train")
	saved := start.end
	checkParameters(p, saved)
	again, err := first.snapshot()
	p.must(err, "Snapshot")
	if d := saved.difference(again); d != "" {
		p.fatalf("two snapshots in a row differ: %s", d)
	}
	rows := b.mixed()
	h := first.h(p, b.eval(rows))
	on, err := first.train(before, after)
	p.must(err, "train on")

	second := b.open(p, req)
	_, err = second.train(50, 51)
	p.must(err, "train")
	p.must(second.restore(saved), "Restore")
	back, err := second.snapshot()
	p.must(err, "Snapshot after Restore")
	restored := second.h(p, b.eval(rows))
	if !b.exact() {
		if d, _ := farthest(restored, h); d > 1e-3 {
			p.failf("h of a restored session differs by %.2g from h of the session that was saved", d)
		}
		p.notef("what follows is not compared, since the plugin is not deterministic")
		return
	}
	if !sameBits(h, restored) {
		p.fatalf("h of a restored session differs from h of the session that was saved")
	}
	if d := back.difference(saved); d != "" {
		p.failf("a snapshot right after Restore is not the one restored: %s", d)
	}
	next, err := second.train(before, after)
	p.must(err, "train on after Restore")
	if d := next.difference(on); d != "" {
		p.failf("a restored session goes on differently: %s", d)
	}
}

// checkParameters checks the form of a snapshot's parameters.
func checkParameters(p *probe, s state) {
	seen := map[string]bool{}
	for _, t := range s.parameters {
		if t.Name == "" || seen[t.Name] {
			p.failf("the parameter name %q is empty or used twice", t.Name)
		}
		seen[t.Name] = true
		if err := t.Tensor.Check("parameter "+t.Name, t.Tensor.Shape...); err != nil {
			p.failf("%v", err)
		} else if err := t.Tensor.CheckFinite("parameter " + t.Name); err != nil {
			p.failf("%v", err)
		}
	}
}

// checkSessions trains sessions side by side: each must see what one alone sees.
func (b *backbones) checkSessions(p *probe) {
	b.needExact(p)
	req := b.request(p)
	want, err := b.open(p, req).train(1, 5)
	p.must(err, "train alone")

	// In turns, with a session of another seed in between.
	other := req
	other.Seed += 100
	first, second := b.open(p, req), b.open(p, other)
	for step := uint64(1); step < 5; step++ {
		got, err := first.train(step, step+1)
		p.must(err, "train in turns")
		if !sameBits(got.h[0], want.h[step-1]) {
			p.fatalf("in turns with another session, h of step %d is not what it is alone", step)
		}
		_, err = second.train(step, step+1)
		p.must(err, "train in turns")
		_, err = second.forward(b.eval(b.mixed()))
		p.must(err, "Forward in turns")
	}

	// At the same time.
	sessions := []*backbone{b.open(p, req), b.open(p, other), b.open(p, req)}
	got, errs := make([]trained, len(sessions)), make([]error, len(sessions))
	var running sync.WaitGroup
	for i, s := range sessions {
		running.Go(func() { got[i], errs[i] = s.train(1, 5) })
	}
	running.Wait()
	for i := range sessions {
		p.must(errs[i], "train at the same time")
		if i == 1 {
			continue
		}
		if d := got[i].difference(want); d != "" {
			p.failf("at the same time as other sessions, a session does not do what it does alone: %s", d)
		}
	}
}

// checkSlices holds the plugin to the rule on slices: those of a request are not
// written to, and not kept after the call.
func (b *backbones) checkSlices(p *probe) {
	b.needExact(p)
	req := b.request(p)
	want, err := b.open(p, req).train(1, 4)
	p.must(err, "train")
	s := b.open(p, req)
	for step := uint64(1); step < 4; step++ {
		req := b.batch(step, s.task)
		rows, availability, labels := slices.Clone(req.Rows), slices.Clone(req.Availability), slices.Clone(req.Labels)
		_, err := s.forwardShared(req)
		p.must(err, "Forward")
		if !slices.Equal(rows, req.Rows) || !slices.Equal(availability, req.Availability) || !sameBits(labels, req.Labels) {
			p.failf("Forward writes to the slices of its request")
		}
		// The caller's memory is used for something else now.
		for i := range req.Rows {
			req.Rows[i], req.Availability[i] = 0, 0
		}
		for i := range req.Labels {
			req.Labels[i] = 1 - req.Labels[i]
		}
		dh := gradientOfH(step, len(rows), 0.25)
		given := slices.Clone(dh.Data)
		_, err = s.backwardShared(dh)
		p.must(err, "Backward")
		if !sameBits(given, dh.Data) {
			p.failf("Backward writes to dh of its request")
		}
		for i := range dh.Data {
			dh.Data[i] = 1e6
		}
	}
	end, err := s.snapshot()
	p.must(err, "Snapshot")
	if d := end.difference(want.end); d != "" {
		p.failf("a slice of a request is kept after the call: reusing its memory changes the training (%s)", d)
	}
}
