package plugintest

import (
	"math"
	"slices"
	"sync"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// checkHyperparameters runs a step at the bounds and choices of every
// hyperparameter, for every task.
func (s *strategies) checkHyperparameters(p *probe) {
	for _, task := range s.tasks() {
		works := func(settings ...setting) error {
			set := map[string]any{}
			for _, x := range settings {
				set[x.name] = x.value
			}
			values, err := s.values(set)
			if err != nil {
				return err
			}
			o, err := s.tryOpen(s.requestOf(task, values))
			if err != nil {
				return err
			}
			defer func() { _ = o.close() }()
			if _, err = o.run(1, 3); err != nil {
				return err
			}
			return s.tryOptional(p, o)
		}
		p.must(works(), "run a step with the defaults, %s task", task.Kind)
		p.notef("%s task: %d values tried", task.Kind, tryExtremes(p, s.info.Hyperparameters, works))
	}
}

// checkAugment checks that rows are shown a part of what they have, never
// nothing, and draws that depend on the seed and the step alone.
func (s *strategies) checkAugment(p *probe) {
	first, second := s.open(p, s.request(p)), s.open(p, s.request(p))
	for step := range uint64(8) {
		req := s.augmentRequest(step)
		shown, err := first.augment(req)
		p.must(err, "Augment")
		if len(shown) != len(req.Rows) {
			p.fatalf("Augment answers %d masks for %d rows", len(shown), len(req.Rows))
		}
		for i, own := range req.Availability {
			switch {
			case shown[i]&^own != 0:
				p.fatalf("a row with availability %04b is shown with %04b, which is no part of it", own, shown[i])
			case shown[i] == 0 && own != 0:
				p.fatalf("a row with availability %04b is shown with nothing", own)
			}
		}
		if step < 4 || !s.exact() {
			continue
		}
		// The second session has not seen the steps before.
		again, err := second.augment(req)
		p.must(err, "Augment")
		if !slices.Equal(shown, again) {
			p.fatalf("Augment of step %d depends on the steps before, not on the seed and the step alone", step)
		}
	}
}

// checkObjective checks shapes and values of what Objective answers.
func (s *strategies) checkObjective(p *probe) {
	for _, task := range s.tasks() {
		values, err := s.values(nil)
		p.must(err, "complete the hyperparameters")
		o := s.open(p, s.requestOf(task, values))
		for step := range uint64(4) {
			req := s.objectiveRequest(step, task)
			resp, err := o.objective(req)
			p.must(err, "Objective, %s task", task.Kind)
			checkObjected(p, req, resp)
		}
	}
}

func checkObjected(p *probe, req sdk.ObjectiveRequest, resp sdk.ObjectiveResponse) {
	if resp.Weights != nil {
		if len(resp.Weights) != len(req.Rows) {
			p.fatalf("Objective answers %d weights for %d rows", len(resp.Weights), len(req.Rows))
		}
		var sum float64
		for i, w := range resp.Weights {
			if !(w >= 0) || math.IsInf(float64(w), 0) {
				p.fatalf("the weight of batch row %d is %v, it must be finite and not negative", i, w)
			}
			sum += float64(w)
		}
		if sum == 0 {
			p.failf("all weights of a batch are 0")
		}
	}
	for _, t := range []struct {
		name    string
		got, of sdk.Tensor
	}{{"dh", resp.DH, req.H}, {"dlogits", resp.DLogits, req.Logits}} {
		if t.got.Absent() {
			continue
		}
		if err := t.got.Check(t.name, t.of.Shape...); err != nil {
			p.failf("%v", err)
		} else if err := t.got.CheckFinite(t.name); err != nil {
			p.failf("%v", err)
		}
	}
	checkNumber(p, "the penalty", resp.Penalty)
	checkTerms(p, resp.Terms)
}

// checkGradients compares the gradient of the penalty with central differences,
// with respect to h and the logits.
func (s *strategies) checkGradients(p *probe) {
	var worst float64
	tried := 0
	for _, task := range s.tasks() {
		values, err := s.values(nil)
		p.must(err, "complete the hyperparameters")
		o := s.open(p, s.requestOf(task, values))
		_, err = o.run(1, 3) // away from the start
		p.must(err, "run two steps")
		start, err := o.snapshot()
		p.must(err, "Snapshot")
		at := func(req sdk.ObjectiveRequest) sdk.ObjectiveResponse {
			p.must(o.restore(start), "Restore")
			resp, err := o.objective(req)
			p.must(err, "Objective")
			return resp
		}
		req := s.objectiveRequest(7, task)
		resp := at(req)
		if resp.Penalty == 0 && resp.DH.Absent() && resp.DLogits.Absent() {
			continue
		}
		if resp.Penalty-resp.Penalty != 0 {
			p.skipf("the penalty is %v, which has no derivative; see the check objective", resp.Penalty)
		}
		for _, x := range []struct {
			name            string
			input, gradient []float32
		}{{"h", req.H.Data, resp.DH.Data}, {"logits", req.Logits.Data, resp.DLogits.Data}} {
			name, gradient := x.name, x.gradient
			if len(gradient) == 0 {
				gradient = make([]float32, len(x.input)) // absent is zero
			}
			if len(gradient) != len(x.input) {
				p.fatalf("the gradient with respect to %s has %d values, want %d", name, len(gradient), len(x.input))
			}
			penalty := func(along direction, scale float32) float64 {
				before := slices.Clone(x.input)
				defer copy(x.input, before)
				for i, v := range along.values {
					x.input[i] += scale * v
				}
				return at(req).Penalty
			}
			for i := range 6 {
				for _, along := range directions(gradient, rng.Stream(24, name, i)) {
					want, size := along.derivative(gradient)
					size = max(size, penaltyFloor)
					off, numeric := slope(want, size, size/100, resp.Penalty, func(step float32) float64 { return penalty(along, step) })
					tried++
					worst = max(worst, off)
					if !(off <= gradientTolerance) {
						p.fatalf("%s task: the derivative of the penalty in %s, %s, is %.4g by its gradient and %.4g by finite differences",
							task.Kind, name, along.name, want, numeric)
					}
				}
			}
		}
	}
	if tried == 0 {
		p.skipf("the strategy has no penalty")
	}
	p.notef("%d derivatives, largest deviation %.1e", tried, worst)
}

// penaltyFloor is the size below which derivatives of a penalty are compared
// absolutely; penalties are float64 and often means over a batch, so it is lower
// than that of h.
const penaltyFloor = 1e-3

// checkDeterminism runs two sessions of one seed.
func (s *strategies) checkDeterminism(p *probe) {
	if !s.info.Capabilities.Deterministic {
		p.skipf("the capabilities do not promise determinism")
	}
	first, err := s.open(p, s.request(p)).run(1, 5)
	p.must(err, "run four steps")
	second, err := s.open(p, s.request(p)).run(1, 5)
	p.must(err, "run four steps")
	if d := first.difference(second); d != "" {
		s.unstable = true
		p.failf("two sessions of one seed differ: %s", d)
	}
}

// checkSnapshot takes the state of a session to a fresh one, which must go on
// with the same bits.
func (s *strategies) checkSnapshot(p *probe) {
	first, second := s.open(p, s.request(p)), s.open(p, s.request(p))
	start, err := first.run(1, 4)
	p.must(err, "run three steps")
	checkParameters(p, start.end)
	_, err = second.run(20, 21)
	p.must(err, "run a step")
	p.must(second.restore(start.end), "Restore")
	back, err := second.snapshot()
	p.must(err, "Snapshot after Restore")
	if !s.exact() {
		p.notef("what follows is not compared, since the plugin is not deterministic")
		return
	}
	if d := back.difference(start.end); d != "" {
		p.failf("a snapshot right after Restore is not the one restored: %s", d)
	}
	on, err := first.run(4, 8)
	p.must(err, "run on")
	restored, err := second.run(4, 8)
	p.must(err, "run on after Restore")
	if d := restored.difference(on); d != "" {
		p.failf("a restored session goes on differently: %s", d)
	}
}

// checkSessions runs sessions at the same time: each must see what one alone
// sees.
func (s *strategies) checkSessions(p *probe) {
	s.needExact(p)
	req := s.request(p)
	want, err := s.open(p, req).run(1, 5)
	p.must(err, "run alone")
	other := req
	other.Seed += 100
	sessions := []*strategy{s.open(p, req), s.open(p, other), s.open(p, req)}
	got, errs := make([]journal, len(sessions)), make([]error, len(sessions))
	var running sync.WaitGroup
	for i, o := range sessions {
		running.Go(func() { got[i], errs[i] = o.run(1, 5) })
	}
	running.Wait()
	for i := range sessions {
		p.must(errs[i], "run at the same time")
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
func (s *strategies) checkSlices(p *probe) {
	s.needExact(p)
	reference := s.open(p, s.request(p))
	want, err := reference.run(1, 4)
	p.must(err, "run")
	next, err := reference.run(4, 5)
	p.must(err, "run on")
	open := s.request(p)
	o := s.open(p, open)
	for i := range open.Availability { // the caller's memory is used for something else now
		open.Availability[i], open.Groups[i] = 0, 0
	}
	clear(open.Covariates.Data)
	clear(open.Labels)
	clear(open.Prior)
	for step := uint64(1); step < 4; step++ {
		augment := s.augmentRequest(step)
		_, err := o.augmentShared(augment)
		p.must(err, "Augment")
		if same := s.augmentRequest(step); !slices.Equal(same.Availability, augment.Availability) || !slices.Equal(same.Rows, augment.Rows) {
			p.failf("Augment writes to the slices of its request")
		}
		clear(augment.Availability)
		req, same := s.objectiveRequest(step, o.task), s.objectiveRequest(step, o.task)
		_, err = o.objectiveShared(req)
		p.must(err, "Objective")
		if !sameBits(same.H.Data, req.H.Data) || !sameBits(same.Logits.Data, req.Logits.Data) || !sameBits(same.RowLoss, req.RowLoss) ||
			!slices.Equal(same.Availability, req.Availability) || !slices.Equal(same.Groups, req.Groups) || !slices.Equal(same.Rows, req.Rows) {
			p.failf("Objective writes to the slices of its request")
		}
		clear(req.H.Data)
		clear(req.Logits.Data)
		clear(req.RowLoss)
		clear(req.Rows)
	}
	end, err := o.snapshot()
	p.must(err, "Snapshot")
	again, err := o.run(4, 5)
	p.must(err, "run on")
	if d := end.difference(want.end); d != "" {
		p.failf("a slice of a request is kept after the call: reusing its memory changes the state (%s)", d)
	} else if d := again.difference(next); d != "" {
		p.failf("a slice of a request is kept after the call: reusing its memory changes the answers (%s)", d)
	}
}
