package plugintest

import (
	"context"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// heldRows is the number of validation rows that strategies are fitted to.
const heldRows = 60

func (s *strategy) fitter(p *probe) sdk.Fitter {
	fitter, ok := s.session.(sdk.Fitter)
	if !ok {
		p.fatalf("the capabilities declare post-hoc fitting, and the session is no Fitter")
	}
	return fitter
}

func (s *strategy) fit(p *probe, req sdk.FitRequest) error {
	var resp sdk.FitResponse
	err := s.suite.call("Fit", func(ctx context.Context) error { return s.fitter(p).Fit(ctx, req, &resp) })
	if err == nil {
		checkTerms(p, resp.Terms)
	}
	return err
}

func (s *strategy) adjust(p *probe, req sdk.AdjustRequest) ([]float32, error) {
	var resp sdk.AdjustResponse
	err := s.suite.call("Adjust", func(ctx context.Context) error { return s.fitter(p).Adjust(ctx, req, &resp) })
	if err != nil {
		return nil, err
	}
	checkTerms(p, resp.Terms)
	if err := sdk.CheckPredictions("the adjusted prediction", resp.Predictions, s.task, len(req.Availability)); err != nil {
		p.fatalf("%v", err)
	}
	return slices.Clone(resp.Predictions.Data), nil
}

// fitRequest is of rows that are not the training rows'.
func (s *strategies) fitRequest(task sdk.Task, labels ...any) sdk.FitRequest {
	r := rng.Stream(26, labels...)
	req := sdk.FitRequest{Predictions: predictionsOf(task, heldRows, labels...), Labels: labelsOf(task, heldRows)}
	for range heldRows {
		req.Availability = append(req.Availability, draw(r, 1<<strategyModalities-1, 0.6))
		req.Groups = append(req.Groups, int32(r.IntN(3)))
	}
	if s.info.Capabilities.PostHoc == sdk.PostHocRepresentation {
		req.H = sdk.Tensor{Shape: []int{heldRows, hWidth}, Data: normals(r, heldRows*hWidth, 1)}
	}
	return req
}

// adjustRequest are the rows of a fit request from one on.
func adjustRequest(req sdk.FitRequest, from, to int) sdk.AdjustRequest {
	rows := func(t sdk.Tensor) sdk.Tensor {
		if t.Absent() {
			return t
		}
		width := t.Shape[1]
		return sdk.Tensor{Shape: []int{to - from, width}, Data: slices.Clone(t.Data[from*width : to*width])}
	}
	return sdk.AdjustRequest{Predictions: rows(req.Predictions), H: rows(req.H), Availability: slices.Clone(req.Availability[from:to])}
}

// checkPostHoc fits to rows and has others adjusted.
func (s *strategies) checkPostHoc(p *probe) {
	if s.info.Capabilities.PostHoc == sdk.NoPostHoc {
		p.skipf("the capabilities declare no post-hoc fitting")
	}
	for _, task := range s.tasks() {
		s.checkFit(p, task)
		s.checkOddFits(p, task)
	}
	s.checkFitRefusals(p)
}

func (s *strategies) checkFit(p *probe, task sdk.Task) {
	values, err := s.values(nil)
	p.must(err, "complete the hyperparameters")
	open := s.requestOf(task, values)
	o := s.open(p, open)
	others := adjustRequest(s.fitRequest(task, "others"), 0, heldRows)
	_, err = o.adjust(p, others)
	refused(p, "Adjust before Fit", badRequest, err)
	adjusted := func(o *strategy, req sdk.AdjustRequest) []float32 {
		got, err := o.adjust(p, req)
		p.must(err, "Adjust, %s task", task.Kind)
		return got
	}

	req, same := s.fitRequest(task, "fit"), s.fitRequest(task, "fit")
	p.must(o.fit(p, req), "Fit, %s task", task.Kind)
	if !sameBits(req.Predictions.Data, same.Predictions.Data) || !sameBits(req.H.Data, same.H.Data) || !slices.Equal(req.Availability, same.Availability) || !slices.Equal(req.Groups, same.Groups) {
		p.failf("Fit writes to the slices of its request")
	}
	clear(req.Predictions.Data) // the caller's memory is used for something else now
	clear(req.H.Data)
	clear(req.Labels)
	clear(req.Availability)
	clear(req.Groups)
	got := adjusted(o, others)
	if !s.exact() {
		return
	}
	outputs := task.Outputs()
	for _, part := range [][2]int{{0, heldRows / 3}, {heldRows / 3, heldRows}} {
		if !sameBits(adjusted(o, adjustRequest(s.fitRequest(task, "others"), part[0], part[1])), got[part[0]*outputs:part[1]*outputs]) {
			p.failf("%s task: what Adjust answers of a row depends on the other rows", task.Kind)
		}
	}
	end, err := o.snapshot()
	p.must(err, "Snapshot after Fit")
	restored := s.open(p, open)
	p.must(restored.restore(end), "Restore after Fit")
	if !sameBits(adjusted(restored, others), got) {
		p.failf("%s task: what was fitted is not in the snapshot", task.Kind)
	}
	p.must(restored.fit(p, s.fitRequest(task, "another fit")), "Fit again")
	p.must(restored.fit(p, same), "Fit a third time")
	if !sameBits(adjusted(restored, others), got) {
		p.failf("%s task: Fit depends on an earlier one", task.Kind)
	}
}

// checkOddFits fits to rows of one class, of one group, to one row, and adjusts
// patterns that none of them has.
func (s *strategies) checkOddFits(p *probe, task sdk.Task) {
	values, err := s.values(nil)
	p.must(err, "complete the hyperparameters")
	o := s.open(p, s.requestOf(task, values))
	others := adjustRequest(s.fitRequest(task, "others"), 0, heldRows)
	try := func(what string, req sdk.FitRequest) {
		p.must(o.fit(p, req), "Fit to %s, %s task", what, task.Kind)
		_, err := o.adjust(p, others)
		p.must(err, "Adjust after Fit to %s, %s task", what, task.Kind)
	}
	req := s.fitRequest(task, "one class")
	clear(req.Labels)
	try("rows of one class", req)
	req = s.fitRequest(task, "one group")
	clear(req.Groups)
	for i := range req.Availability {
		req.Availability[i] = 1
	}
	try("rows of one group", req)
	req = s.fitRequest(task, "no groups")
	req.Groups = nil
	try("rows without groups", req)
	one := s.fitRequest(task, "one row")
	first := adjustRequest(one, 0, 1)
	try("one row", sdk.FitRequest{
		Predictions: first.Predictions, H: first.H, Availability: first.Availability, Labels: one.Labels[:task.LabelWidth()], Groups: one.Groups[:1],
	})
	req = s.fitRequest(task, "certain")
	outputs := task.Outputs()
	for i := range heldRows {
		row := req.Predictions.Data[i*outputs : (i+1)*outputs]
		clear(row)
		row[i%outputs] = 1
	}
	try("certain predictions", req)
}

func (s *strategies) checkFitRefusals(p *probe) {
	fit := func(what string, codes []sdk.Code, change func(*sdk.FitRequest)) {
		s.unharmed(p, "Fit with "+what, codes, func(o *strategy) error {
			req := s.fitRequest(o.task, "fit")
			change(&req)
			return o.fit(p, req)
		})
	}
	fit("NaN in the predictions", notFinite, func(r *sdk.FitRequest) { r.Predictions.Data[3] = float32(math.NaN()) })
	fit("a prediction above 1", notFinite, func(r *sdk.FitRequest) { r.Predictions.Data[3] = 1.5 })
	fit("a row too few in the predictions", badShape, func(r *sdk.FitRequest) {
		r.Predictions = predictionsOf(s.tasks()[0], heldRows-1)
	})
	fit("fewer labels than rows", badShape, func(r *sdk.FitRequest) { r.Labels = r.Labels[1:] })
	fit("fewer groups than rows", badShape, func(r *sdk.FitRequest) { r.Groups = r.Groups[1:] })
	if s.info.Capabilities.PostHoc == sdk.PostHocRepresentation {
		fit("NaN in h", notFinite, func(r *sdk.FitRequest) { r.H.Data[3] = float32(math.NaN()) })
		fit("a column too few in h", badShape, func(r *sdk.FitRequest) { r.H = sdk.NewTensor(heldRows, hWidth-1) })
	}
}
