package plugin

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
)

// Propose asks a sampler for one trial. Hyperparameters are checked and completed
// before the plugin sees the request, and what it answers is a point of the
// dimensions, in canonical types. A plugin that takes longer than the timeout of a step
// is killed.
func (p *Process) Propose(ctx context.Context, req sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
	if p.entry.Kind != sdk.KindSampler {
		return sdk.Errorf(sdk.CodeBadRequest, "%s is no sampler", p.entry)
	}
	values, err := p.info.Complete(req.Hyperparameters)
	if err != nil {
		return err
	}
	req.Hyperparameters = values
	var answer sdk.ProposeResponse
	if err := p.guard(ctx, "propose", p.timeouts.Step, func(ctx context.Context) (<-chan struct{}, error) {
		return p.wire.Propose(ctx, req, &answer)
	}); err != nil {
		return err
	}
	point, err := req.CheckPoint(answer.Point)
	if err != nil {
		return p.failure(sdk.CodeOf(err), "its answer to propose cannot be used: "+err.Error())
	}
	resp.Point = point
	return nil
}

// Propose starts the sampler if needed and asks it for one trial; see
// [Process.Propose].
func (p *Pool) Propose(ctx context.Context, e Entry, req sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
	process, pl, err := p.acquire(ctx, e)
	if err != nil {
		return err
	}
	defer p.release(pl)
	if err := process.Propose(ctx, req, resp); err != nil {
		return err
	}
	pl.well(process)
	return nil
}

// UncheckedSampler is [Process.UncheckedBackbone] for a sampler.
func (p *Process) UncheckedSampler() sdk.Sampler { return uncheckedSampler{p} }

type uncheckedSampler struct{ process *Process }

func (u uncheckedSampler) Info(ctx context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) (err error) {
	resp.Info, err = u.process.wire.Info(ctx)
	return err
}

func (u uncheckedSampler) Propose(ctx context.Context, req sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
	_, err := u.process.wire.Propose(ctx, req, resp)
	return err
}
