package plugintest

import (
	"context"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// strategyEpochs is the planned length of training that strategies are told.
const strategyEpochs = 6

// predictionsOf are probabilities of rows.
func predictionsOf(task sdk.Task, rows int, labels ...any) sdk.Tensor {
	r, outputs := rng.Stream(25, labels...), task.Outputs()
	t := sdk.NewTensor(rows, outputs)
	for i := range rows {
		row := t.Data[i*outputs : (i+1)*outputs]
		var sum float32
		for c := range row {
			row[c] = 0.02 + 0.96*r.Float32()
			sum += row[c]
		}
		for c := range row {
			if task.Kind == sdk.Multiclass {
				row[c] /= sum
			}
		}
	}
	return t
}

// stager ends the check if the session has no stages.
func (s *strategy) stager(p *probe) sdk.Stager {
	stager, ok := s.session.(sdk.Stager)
	if !ok {
		p.fatalf("the capabilities declare stages, and the session is no Stager")
	}
	return stager
}

func (s *strategy) stage(p *probe, stage int, predictions sdk.Tensor) ([]sdk.Term, error) {
	var resp sdk.StageResponse
	err := s.suite.call("Stage", func(ctx context.Context) error {
		return s.stager(p).Stage(ctx, sdk.StageRequest{Stage: stage, Predictions: predictions}, &resp)
	})
	return resp.Terms, err
}

// through runs all stages, two steps each, and returns what the session answered in
// the last one.
func (s *strategy) through(p *probe) journal {
	var last journal
	step := uint64(1)
	for k := range len(s.stager(p).Stages()) + 1 {
		if k > 0 {
			predictions := predictionsOf(s.task, trainingRows, "stage", k)
			terms, err := s.stage(p, k, predictions)
			p.must(err, "begin stage %d", k)
			checkTerms(p, terms)
			if !sameBits(predictions.Data, predictionsOf(s.task, trainingRows, "stage", k).Data) {
				p.failf("Stage writes to the predictions of its request")
			}
			clear(predictions.Data) // the caller's memory is used for something else now
		}
		var err error
		last, err = s.run(step, step+2)
		p.must(err, "run two steps of stage %d", k)
		step += 2
	}
	return last
}

// tryOptional makes a call of each kind that the capabilities declare.
func (s *strategies) tryOptional(p *probe, o *strategy) error {
	c := s.info.Capabilities
	if c.Mixes {
		if _, err := o.mix(p, s.mixRequest(2, o.task)); err != nil {
			return err
		}
	}
	if c.Stages {
		if _, err := o.stage(p, 1, predictionsOf(o.task, trainingRows, "try")); err != nil {
			return err
		}
		if _, err := o.run(3, 4); err != nil {
			return err
		}
	}
	if c.PostHoc != sdk.NoPostHoc {
		req := s.fitRequest(o.task, "try")
		if err := o.fit(p, req); err != nil {
			return err
		}
		_, err := o.adjust(p, adjustRequest(req, 0, heldRows))
		return err
	}
	return nil
}

// checkStages runs through all stages.
func (s *strategies) checkStages(p *probe) {
	if !s.info.Capabilities.Stages {
		p.skipf("the capabilities declare no stages")
	}
	for _, task := range s.tasks() {
		values, err := s.values(nil)
		p.must(err, "complete the hyperparameters")
		req := s.requestOf(task, values)
		first := s.open(p, req)
		stages := first.stager(p).Stages()
		if err := sdk.CheckStages(stages, req.Epochs); err != nil {
			p.fatalf("%v", err)
		}
		if len(stages) == 0 {
			p.fatalf("the capabilities declare stages, and a training of %d epochs has none", req.Epochs)
		}
		end := first.through(p)
		p.notef("%s task: %d stages", task.Kind, len(stages)+1)
		if s.exact() {
			if d := s.open(p, req).through(p).difference(end); d != "" {
				p.failf("two sessions of one seed differ after stages: %s", d)
			}
			on, err := first.run(20, 22)
			p.must(err, "run on")
			restored := s.open(p, req)
			p.must(restored.restore(end.end), "Restore in the last stage")
			again, err := restored.run(20, 22)
			p.must(err, "run on after Restore")
			if d := again.difference(on); d != "" {
				p.failf("a session restored in the last stage goes on differently: %s", d)
			}
		}
	}
	stage := func(what string, codes []sdk.Code, stage int, change func(*sdk.Tensor)) {
		s.unharmed(p, "Stage with "+what, codes, func(o *strategy) error {
			predictions := predictionsOf(o.task, trainingRows, "stage")
			change(&predictions)
			_, err := o.stage(p, stage, predictions)
			return err
		})
	}
	same := func(*sdk.Tensor) {}
	stage("the number of the first stage", badRequest, 0, same)
	stage("a stage that there is not", badRequest, 100, same)
	stage("a row too few", badShape, 1, func(t *sdk.Tensor) { *t = predictionsOf(s.tasks()[0], trainingRows-1) })
	stage("NaN", notFinite, 1, func(t *sdk.Tensor) { t.Data[3] = float32(math.NaN()) })
	short := s.request(p)
	short.Epochs = 1
	if o, err := s.tryOpen(short); err == nil {
		if err := sdk.CheckStages(o.stager(p).Stages(), 1); err != nil {
			p.failf("of a training of one epoch it wants: %v", err)
		}
		_ = o.close()
	} else {
		refused(p, "Open for a training that is too short", unsupported, err)
	}
}

func (s *strategy) mix(p *probe, req sdk.MixRequest) (sdk.MixResponse, error) {
	mixer, ok := s.session.(sdk.Mixer)
	if !ok {
		p.fatalf("the capabilities declare mixing, and the session is no Mixer")
	}
	var resp sdk.MixResponse
	err := s.suite.call("Mix", func(ctx context.Context) error { return mixer.Mix(ctx, req, &resp) })
	return sdk.MixResponse{Partner: slices.Clone(resp.Partner), Share: slices.Clone(resp.Share)}, err
}

func (s *strategies) mixRequest(step uint64, task sdk.Task) sdk.MixRequest {
	o := s.objectiveRequest(step, task)
	return sdk.MixRequest{Rows: o.Rows, Labels: o.Labels, Availability: o.Availability, Groups: o.Groups, Step: step}
}

// checkMixing checks that partners are rows of the batch, drawn from the seed and
// the step alone, also where batches are odd.
func (s *strategies) checkMixing(p *probe) {
	if !s.info.Capabilities.Mixes {
		p.skipf("the capabilities declare no mixing")
	}
	mixes := func(o *strategy, what string, req sdk.MixRequest) sdk.MixResponse {
		resp, err := o.mix(p, req)
		p.must(err, "Mix of %s", what)
		if err := resp.Check(len(req.Rows)); err != nil {
			p.fatalf("Mix of %s: %v", what, err)
		}
		return resp
	}
	for _, task := range s.tasks() {
		values, err := s.values(nil)
		p.must(err, "complete the hyperparameters")
		first, second := s.open(p, s.requestOf(task, values)), s.open(p, s.requestOf(task, values))
		moved := false
		for step := range uint64(8) {
			req, same := s.mixRequest(step, task), s.mixRequest(step, task)
			got := mixes(first, "a batch", req)
			if !slices.Equal(req.Rows, same.Rows) || !sameBits(req.Labels, same.Labels) || !slices.Equal(req.Availability, same.Availability) || !slices.Equal(req.Groups, same.Groups) {
				p.failf("Mix writes to the slices of its request")
			}
			for i, j := range got.Partner {
				moved = moved || int(j) != i && got.Share[i] < 1
			}
			if step < 4 || !s.exact() {
				continue
			}
			// The second session has not seen the steps before.
			if again := mixes(second, "a batch", same); !slices.Equal(got.Partner, again.Partner) || !sameBits(got.Share, again.Share) {
				p.fatalf("Mix of step %d depends on the steps before, not on the seed and the step alone", step)
			}
		}
		if !moved {
			p.failf("no row of eight batches is mixed with another")
		}
		one := s.mixRequest(1, task)
		mixes(first, "one row", sdk.MixRequest{
			Rows: one.Rows[:1], Labels: one.Labels[:task.LabelWidth()], Availability: one.Availability[:1], Groups: one.Groups[:1], Step: 1,
		})
		alike := s.mixRequest(2, task)
		for i := range alike.Rows {
			alike.Rows[i], alike.Groups[i], alike.Availability[i] = alike.Rows[1], alike.Groups[1], alike.Availability[1]
			copy(alike.Labels[i*task.LabelWidth():], alike.Labels[task.LabelWidth():2*task.LabelWidth()])
		}
		mixes(first, "rows of one class and group", alike)
		alike.Groups = nil
		mixes(first, "rows without groups", alike)
	}
	mix := func(what string, codes []sdk.Code, change func(*sdk.MixRequest)) {
		s.unharmed(p, "Mix with "+what, codes, func(o *strategy) error {
			req := s.mixRequest(2, o.task)
			change(&req)
			_, err := o.mix(p, req)
			return err
		})
	}
	mix("a row beyond the training rows", badRequest, func(r *sdk.MixRequest) { r.Rows[1] = trainingRows })
	mix("fewer masks than rows", badShape, func(r *sdk.MixRequest) { r.Availability = r.Availability[1:] })
	mix("fewer labels than rows", badShape, func(r *sdk.MixRequest) { r.Labels = r.Labels[1:] })
}
