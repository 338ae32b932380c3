package plugintest

import (
	"fmt"
	"math"

	"github.com/deconfound/deconfound/sdk"
)

// checkRefusals makes bad requests. Each must be refused with a code that says
// whose fault it is, and neither end the plugin nor the session.
func (s *strategies) checkRefusals(p *probe) {
	s.checkOpenRefusals(p)
	s.checkAbsences(p)
	s.checkStepRefusals(p)
	s.checkRestoreRefusals(p)
	if o, err := s.tryOpen(s.request(p)); err != nil {
		p.failf("after all this no session can be opened: %s", describe(err))
	} else {
		_ = o.close()
	}
}

func (s *strategies) checkOpenRefusals(p *probe) {
	open := func(what string, codes []sdk.Code, change func(*sdk.StrategyOpenRequest)) {
		req := s.request(p)
		change(&req)
		o, err := s.tryOpen(req)
		if err == nil {
			_ = o.close()
		}
		refused(p, "Open with "+what, codes, err)
	}
	for _, w := range wrongValues(s.info.Hyperparameters) {
		open(w.String(), badRequest, func(r *sdk.StrategyOpenRequest) {
			values := sdk.Values{}
			for name, v := range r.Hyperparameters {
				values[name] = v
			}
			values[w.name] = w.value
			r.Hyperparameters = values
		})
	}
	task := s.otherTask()
	open(fmt.Sprintf("a %s task", task.Kind), unsupported, func(r *sdk.StrategyOpenRequest) { r.Task = task })
	open("no training rows", badShape, func(r *sdk.StrategyOpenRequest) {
		r.Availability, r.Labels, r.Groups, r.Covariates = nil, nil, nil, sdk.Tensor{}
	})
	open("fewer labels than rows", badShape, func(r *sdk.StrategyOpenRequest) { r.Labels = r.Labels[1:] })
	open("fewer groups than rows", badShape, func(r *sdk.StrategyOpenRequest) { r.Groups = r.Groups[1:] })
	open("covariates of other rows", badShape, func(r *sdk.StrategyOpenRequest) { r.Covariates = sdk.NewTensor(3, 3) })
}

// checkAbsences leaves out what the host may not have. A strategy that cannot do
// without may refuse, but must say so.
func (s *strategies) checkAbsences(p *probe) {
	open := func(what string, change func(*sdk.StrategyOpenRequest)) {
		req := s.request(p)
		change(&req)
		o, err := s.tryOpen(req)
		if err == nil {
			_ = o.close()
			return
		}
		refused(p, "Open without "+what, unsupported, err)
	}
	open("groups", func(r *sdk.StrategyOpenRequest) { r.Groups = nil })
	open("covariates", func(r *sdk.StrategyOpenRequest) { r.Covariates = sdk.Tensor{} })
	open("columns in the covariates", func(r *sdk.StrategyOpenRequest) { r.Covariates = sdk.NewTensor(trainingRows, 0) })
}

// unharmed makes a bad request in a fresh session and then expects the session to
// go on.
func (s *strategies) unharmed(p *probe, what string, codes []sdk.Code, bad func(*strategy) error) {
	o := s.open(p, s.request(p))
	_, err := o.run(1, 2)
	p.must(err, "run a step")
	refused(p, what, codes, bad(o))
	if _, err := o.run(2, 3); err != nil {
		p.failf("after %s the session is of no use: %s", what, describe(err))
	}
}

func (s *strategies) checkStepRefusals(p *probe) {
	s.unharmed(p, "Augment with fewer masks than rows", badShape, func(o *strategy) error {
		req := s.augmentRequest(2)
		req.Availability = req.Availability[1:]
		_, err := o.augment(req)
		return err
	})
	objective := func(what string, codes []sdk.Code, change func(*sdk.ObjectiveRequest)) {
		s.unharmed(p, "Objective with "+what, codes, func(o *strategy) error {
			req := s.objectiveRequest(2, o.task)
			change(&req)
			_, err := o.objective(req)
			return err
		})
	}
	objective("a row beyond the training rows", badRequest, func(r *sdk.ObjectiveRequest) { r.Rows[1] = trainingRows })
	objective("a negative row", badRequest, func(r *sdk.ObjectiveRequest) { r.Rows[1] = -1 })
	objective("fewer masks than rows", badShape, func(r *sdk.ObjectiveRequest) { r.Availability = r.Availability[1:] })
	objective("fewer losses than rows", badShape, func(r *sdk.ObjectiveRequest) { r.RowLoss = r.RowLoss[1:] })
	objective("fewer labels than rows", badShape, func(r *sdk.ObjectiveRequest) { r.Labels = r.Labels[1:] })
	objective("a column too few in h", badShape, func(r *sdk.ObjectiveRequest) { r.H = sdk.NewTensor(len(r.Rows), hWidth-1) })
	objective("a row too few in the logits", badShape, func(r *sdk.ObjectiveRequest) {
		r.Logits = sdk.NewTensor(len(r.Rows)-1, r.Logits.Shape[1])
	})
	objective("NaN in h", notFinite, func(r *sdk.ObjectiveRequest) { r.H.Data[3] = float32(math.NaN()) })
	objective("NaN in the losses", notFinite, func(r *sdk.ObjectiveRequest) { r.RowLoss[3] = float32(math.NaN()) })
}

func (s *strategies) checkRestoreRefusals(p *probe) {
	o := s.open(p, s.request(p))
	j, err := o.run(1, 2)
	p.must(err, "run a step")
	for _, c := range brokenStates(j.end) {
		if len(j.end.bytes) > 0 && c.name == "a state of other bytes" {
			continue // may be valid numbers
		}
		refused(p, "Restore of "+c.name, badShape, o.restore(c.state))
		if err := o.restore(j.end); err != nil {
			p.failf("after Restore of %s the session cannot be restored: %s", c.name, describe(err))
			return
		}
	}
	if _, err := o.run(2, 3); err != nil {
		p.failf("after refused states the session is of no use: %s", describe(err))
	}
}

// checkClose closes a session twice and opens another.
func (s *strategies) checkClose(p *probe) {
	o, err := s.tryOpen(s.request(p))
	p.must(err, "open a session")
	_, err = o.run(1, 2)
	p.must(err, "run a step")
	p.must(o.close(), "Close")
	closeAgain(p, o.close())
	next, err := s.tryOpen(s.request(p))
	p.must(err, "open a session after another was closed")
	p.must(next.close(), "Close")
}
