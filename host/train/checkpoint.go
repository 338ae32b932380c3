package train

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
)

// checkpointVersion is raised when the layout below changes; older checkpoints
// are then refused and the run starts again.
const checkpointVersion = 1

// checkpoint is the whole state of a run at an epoch boundary. Generators are
// not part of it: every draw is keyed by seed, purpose and step.
type checkpoint struct {
	Version  int
	Epoch    int
	Step     uint64
	Stale    int
	Ended    bool
	Best     best
	Backbone []byte
	Strategy []byte
	Head     []byte
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
		Best:    r.best,
		Stage:   r.optional.stage,
		Fitted:  r.optional.fitted,
	}
	var err error
	if c.Backbone, err = snapshotBackbone(ctx, r.backbone); err != nil {
		return nil, err
	}
	if r.strategy != nil {
		var resp sdk.SnapshotResponse
		if err := r.strategy.Snapshot(ctx, sdk.SnapshotRequest{}, &resp); err != nil {
			return nil, fmt.Errorf("snapshot strategy: %w", err)
		}
		if c.Strategy, err = encode(resp); err != nil {
			return nil, err
		}
	}
	if c.Head, err = r.head.Snapshot(); err != nil {
		return nil, fmt.Errorf("snapshot head: %w", err)
	}
	return encode(c)
}

// Restore brings a freshly opened run to the state of a checkpoint.
func (r *Run) Restore(ctx context.Context, data []byte) error {
	var c checkpoint
	if err := decode(data, &c); err != nil {
		return fmt.Errorf("read checkpoint: %w", err)
	}
	if c.Version != checkpointVersion {
		return fmt.Errorf("checkpoint has version %d, this program writes version %d", c.Version, checkpointVersion)
	}
	if err := restoreBackbone(ctx, r.backbone, c.Backbone); err != nil {
		return err
	}
	if r.strategy != nil {
		var resp sdk.SnapshotResponse
		if err := decode(c.Strategy, &resp); err != nil {
			return fmt.Errorf("read strategy state: %w", err)
		}
		req := sdk.RestoreRequest(resp)
		if err := r.strategy.Restore(ctx, req, &sdk.RestoreResponse{}); err != nil {
			return fmt.Errorf("restore strategy: %w", err)
		}
	}
	if err := r.enterStage(c.Stage); err != nil {
		return err
	}
	r.optional.fitted = c.Fitted
	if err := r.head.Restore(c.Head); err != nil {
		return fmt.Errorf("restore head: %w", err)
	}
	r.epoch, r.step, r.stale, r.ended, r.best = c.Epoch, c.Step, c.Stale, c.Ended, c.Best
	return nil
}

func snapshotBackbone(ctx context.Context, session sdk.BackboneSession) ([]byte, error) {
	var resp sdk.SnapshotResponse
	if err := session.Snapshot(ctx, sdk.SnapshotRequest{}, &resp); err != nil {
		return nil, fmt.Errorf("snapshot backbone: %w", err)
	}
	return encode(resp)
}

func restoreBackbone(ctx context.Context, session sdk.BackboneSession, data []byte) error {
	var resp sdk.SnapshotResponse
	if err := decode(data, &resp); err != nil {
		return fmt.Errorf("read backbone state: %w", err)
	}
	req := sdk.RestoreRequest(resp)
	if err := session.Restore(ctx, req, &sdk.RestoreResponse{}); err != nil {
		return fmt.Errorf("restore backbone: %w", err)
	}
	return nil
}

func encode(v any) ([]byte, error) {
	var buffer bytes.Buffer
	if err := gob.NewEncoder(&buffer).Encode(v); err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return buffer.Bytes(), nil
}

func decode(data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}
