package train

import (
	"context"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
)

// mix asks the strategy how to mix a batch; nil if it does not. Only what the
// backbone answered is mixed: it learns of neither partners nor shares.
func (r *Run) mix(ctx context.Context, b batch) (*sdk.MixResponse, error) {
	if r.optional.mixer == nil {
		return nil, nil //nolint:nilnil // nothing is mixed
	}
	var resp sdk.MixResponse
	if err := r.optional.mixer.Mix(ctx, sdk.MixRequest{
		Rows: b.positions, Labels: b.labels, Availability: b.own, Groups: gather(r.groups, b.positions, 1), Step: r.step,
	}, &resp); err != nil {
		return nil, fmt.Errorf("mix: %w", err)
	}
	if err := resp.Check(len(b.positions)); err != nil {
		return nil, fmt.Errorf("mix: %w", err)
	}
	return &resp, nil
}

// headBatch is a batch as head and strategy see it.
type headBatch struct {
	positions []int32
	own       []uint64
	labels    []float32
	h         []float32 // [rows, width]
	input     []float32 // [rows, width and what is beside h]
}

// asHeadSees is the batch as it is, or the labelled halves of a mixed one. The mask
// and the biased part beside h are mixed as h is.
func (r *Run) asHeadSees(b batch, m *sdk.MixResponse) headBatch {
	seen := headBatch{positions: b.positions, own: b.own, labels: b.labels, h: b.h, input: r.reveal(b.h, b.rows, b.seen, b.own)}
	if m == nil {
		return seen
	}
	return headBatch{
		positions: sdk.Doubled(seen.positions, 1, m.Partner),
		own:       sdk.Doubled(seen.own, 1, m.Partner),
		labels:    sdk.Doubled(seen.labels, r.labelWidth, m.Partner),
		h:         m.Mixed(seen.h, r.cfg.Width),
		input:     m.Mixed(seen.input, r.cfg.Width+r.beside()),
	}
}
