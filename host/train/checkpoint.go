package train

import (
	"bytes"
	"context"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
)

// checkpointVersion is raised when the layout below changes; older checkpoints
// are then refused and the run starts again.
const checkpointVersion = 2

// checkpoint is the whole state of a run at an epoch boundary. Generators are
// not part of it: every draw is keyed by seed, purpose and step. States, which may be
// large, follow it as they are.
type checkpoint struct {
	Version int
	Epoch   int
	Step    uint64
	Stale   int
	Ended   bool
	// Best and Value are the epoch and the value of the best candidate.
	Best  int
	Value float64
	// Stage is the number of stages begun after the first, Fitted that the
	// strategy's state has what it fitted after training.
	Stage  int
	Fitted bool
}

// Checkpoint returns the exact state of the run: host, backbone and strategy.
func (r *Run) Checkpoint(ctx context.Context) ([]byte, error) {
	c := checkpoint{
		Version: checkpointVersion,
		Epoch:   r.epoch,
		Step:    r.step,
		Stale:   r.stale,
		Ended:   r.ended,
		Best:    r.best.Epoch,
		Value:   r.best.Value,
		Stage:   r.optional.stage,
		Fitted:  r.optional.fitted,
	}
	backbone, err := snapshotBackbone(ctx, r.backbone)
	if err != nil {
		return nil, err
	}
	var strategy []byte
	if r.strategy != nil {
		var resp sdk.SnapshotResponse
		if err := r.strategy.Snapshot(ctx, sdk.SnapshotRequest{}, &resp); err != nil {
			return nil, fmt.Errorf("snapshot strategy: %w", err)
		}
		if strategy, err = packState(resp); err != nil {
			return nil, err
		}
	}
	head, err := r.head.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("snapshot head: %w", err)
	}
	return pack(c, backbone, strategy, head, r.best.Backbone, r.best.Head)
}

// Restore brings a freshly opened run to the state of a checkpoint.
func (r *Run) Restore(ctx context.Context, data []byte) error {
	var c checkpoint
	parts, err := unpack(data, &c)
	if err != nil {
		return fmt.Errorf("read checkpoint: %w", err)
	}
	if c.Version != checkpointVersion || len(parts) != 5 {
		return fmt.Errorf("checkpoint has version %d, this program writes version %d", c.Version, checkpointVersion)
	}
	backbone, strategy, head := parts[0], parts[1], parts[2]
	if err := restoreBackbone(ctx, r.backbone, backbone); err != nil {
		return err
	}
	if r.strategy != nil {
		req, err := unpackState(strategy)
		if err != nil {
			return fmt.Errorf("read strategy state: %w", err)
		}
		if err := r.strategy.Restore(ctx, req, &sdk.RestoreResponse{}); err != nil {
			return fmt.Errorf("restore strategy: %w", err)
		}
	}
	if err := r.enterStage(c.Stage); err != nil {
		return err
	}
	r.optional.fitted = c.Fitted
	if err := r.head.Restore(head); err != nil {
		return fmt.Errorf("restore head: %w", err)
	}
	r.epoch, r.step, r.stale, r.ended = c.Epoch, c.Step, c.Stale, c.Ended
	// Copies, for the rest of the checkpoint is of no more use.
	r.best = best{Epoch: c.Best, Value: c.Value, Backbone: bytes.Clone(parts[3]), Head: bytes.Clone(parts[4])}
	return nil
}

func snapshotBackbone(ctx context.Context, session sdk.BackboneSession) ([]byte, error) {
	var resp sdk.SnapshotResponse
	if err := session.Snapshot(ctx, sdk.SnapshotRequest{}, &resp); err != nil {
		return nil, fmt.Errorf("snapshot backbone: %w", err)
	}
	return packState(resp)
}

func restoreBackbone(ctx context.Context, session sdk.BackboneSession, data []byte) error {
	req, err := unpackState(data)
	if err != nil {
		return fmt.Errorf("read backbone state: %w", err)
	}
	if err := session.Restore(ctx, req, &sdk.RestoreResponse{}); err != nil {
		return fmt.Errorf("restore backbone: %w", err)
	}
	return nil
}
