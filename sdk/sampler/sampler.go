package sampler

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
)

// Propose answers a value for each dimension of a request. It depends on the request
// alone, whose slices and maps it does not write to, and may be called from several
// goroutines.
type Propose func(sdk.ProposeRequest) (sdk.Values, error)

// New makes a sampler plugin of a function. info.Kind is set here.
func New(info sdk.Info, propose Propose) sdk.Sampler {
	info.Kind = sdk.KindSampler
	return &plugin{info, propose}
}

type plugin struct {
	info    sdk.Info
	propose Propose
}

// Info describes the plugin.
func (p *plugin) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = p.info
	return nil
}

// Propose checks the request, asks the author's function and checks its point.
func (p *plugin) Propose(ctx context.Context, req sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
	if err := ctx.Err(); err != nil {
		return sdk.Wrap(sdk.CodeCanceled, err, "propose")
	}
	values, err := p.info.Complete(req.Hyperparameters)
	if err != nil {
		return err
	}
	req.Hyperparameters = values
	if err := req.Validate(); err != nil {
		return err
	}
	point, err := p.propose(req)
	if err != nil {
		return err
	}
	resp.Point, err = req.CheckPoint(point)
	return err
}
