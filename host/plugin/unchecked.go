package plugin

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
)

// UncheckedBackbone is the backbone of a process without what this package adds:
// no request is refused and no answer judged before it is passed on, and no call
// has a deadline of its own. It is for the conformance suite, which makes bad
// requests on purpose; runs use [OpenBackbone].
func (p *Process) UncheckedBackbone() sdk.Backbone { return uncheckedBackbone{p} }

// UncheckedStrategy is UncheckedBackbone for a strategy.
func (p *Process) UncheckedStrategy() sdk.Strategy { return uncheckedStrategy{p} }

type uncheckedBackbone struct{ process *Process }

func (u uncheckedBackbone) Info(ctx context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) (err error) {
	resp.Info, err = u.process.wire.Info(ctx)
	return err
}

func (u uncheckedBackbone) Open(ctx context.Context, req sdk.OpenRequest, resp *sdk.OpenResponse) error {
	s, err := u.process.wire.OpenBackbone(ctx, req)
	if err != nil {
		return err
	}
	resp.Session = s
	return nil
}

type uncheckedStrategy struct{ process *Process }

func (u uncheckedStrategy) Info(ctx context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) (err error) {
	resp.Info, err = u.process.wire.Info(ctx)
	return err
}

func (u uncheckedStrategy) Open(ctx context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	s, err := u.process.wire.OpenStrategy(ctx, req)
	if err != nil {
		return err
	}
	resp.Session = s
	return nil
}
