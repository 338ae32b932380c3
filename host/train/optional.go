package train

import (
	"context"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
)

// optional is what a strategy can beyond weights and penalties, as its capabilities
// say, and how far it has come.
type optional struct {
	stager sdk.Stager // nil without stages
	mixer  sdk.Mixer  // nil if it mixes nothing
	fitter sdk.Fitter // nil if it fits nothing after training
	of     sdk.PostHoc

	stages  []sdk.Stage
	stage   int    // how many have begun
	initial []byte // of the backbone, if a stage restarts
	fitted  bool   // what predict answers goes through the fitter
}

// openOptional asks the session for what the capabilities declare.
func (r *Run) openOptional(ctx context.Context, info sdk.Info) error {
	o, c, ok := &r.optional, info.Capabilities, true
	if c.Stages {
		o.stager, ok = r.strategy.(sdk.Stager)
	}
	if c.Mixes && ok {
		o.mixer, ok = r.strategy.(sdk.Mixer)
	}
	if c.PostHoc != sdk.NoPostHoc && ok {
		o.of = c.PostHoc
		o.fitter, ok = r.strategy.(sdk.Fitter)
	}
	if !ok {
		return sdk.Errorf(sdk.CodeProtocol, "strategy %s declares capabilities that its session lacks", info.Name)
	}
	if err := Combinable(info, r.cfg.Missingness != nil, r.cfg.DualBranch != nil); err != nil {
		return err
	}
	if o.stager == nil {
		return nil
	}
	o.stages = o.stager.Stages()
	if err := sdk.CheckStages(o.stages, r.cfg.Epochs); err != nil {
		return fmt.Errorf("strategy %s: %w", info.Name, err)
	}
	for _, s := range o.stages {
		if !s.Restart {
			continue
		}
		var err error
		if o.initial, err = snapshotBackbone(ctx, r.backbone); err != nil {
			return err
		}
		return r.enterStage(0) // the head's schedule ends with the first restart
	}
	return nil
}

// Combinable refuses a strategy beside components that it would undo, with code
// bad_request.
func Combinable(info sdk.Info, missingness, dualBranch bool) error {
	if info.Capabilities.PostHoc != sdk.PostHocRepresentation || (!missingness && !dualBranch) {
		return nil
	}
	what := "missingness"
	if dualBranch {
		what = "dual_branch"
	}
	return sdk.Errorf(sdk.CodeBadRequest, "strategy %s predicts from h with a head of its own and would undo %s; remove one of them from the variant", info.Name, what)
}

// span is the first epoch of the present head and the one after its last: heads
// change where a stage restarts.
func (o *optional) span(epochs int) (first, end int) {
	for i, s := range o.stages {
		switch {
		case !s.Restart:
		case i < o.stage:
			first = s.Start
		default:
			return first, s.Start
		}
	}
	return first, epochs
}

// last reports whether all stages have begun.
func (o *optional) last() bool { return o.stage == len(o.stages) }

// enterStage makes the head that a stage, counted from 0, is trained with.
func (r *Run) enterStage(stage int) (err error) {
	if stage > len(r.optional.stages) {
		return sdk.Errorf(sdk.CodeBadRequest, "the checkpoint is of stage %d, the strategy has %d", stage, len(r.optional.stages))
	}
	r.optional.stage = stage
	if r.optional.initial != nil {
		r.head, err = r.newHead()
	}
	return err
}

// beginStage begins the stage that starts with the present epoch, if one does: the
// strategy sees what the model says of the training rows, and where the stage
// restarts, backbone and head are what they were before the first step.
func (r *Run) beginStage(ctx context.Context, means *means) error {
	o := &r.optional
	if o.last() || o.stages[o.stage].Start != r.epoch {
		return nil
	}
	next := o.stage + 1
	s, err := r.predict(ctx, r.data.Split.Train, nil)
	if err != nil {
		return fmt.Errorf("score training rows: %w", err)
	}
	var resp sdk.StageResponse
	if err := o.stager.Stage(ctx, sdk.StageRequest{Stage: next, Predictions: r.tensor(s.Observed)}, &resp); err != nil {
		return fmt.Errorf("begin stage %d: %w", next, err)
	}
	for _, term := range resp.Terms {
		means.add("strategy/"+term.Name, term.Value, 1)
	}
	if !o.stages[o.stage].Restart {
		o.stage = next
		return nil
	}
	if err := restoreBackbone(ctx, r.backbone, o.initial); err != nil {
		return err
	}
	return r.enterStage(next)
}

// tensor is [rows, outputs].
func (r *Run) tensor(values []float32) sdk.Tensor {
	outputs := r.task.Outputs()
	return sdk.Tensor{Shape: []int{len(values) / outputs, outputs}, Data: values}
}
