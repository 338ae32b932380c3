package train

import (
	"context"
	"fmt"
	"math"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// trainEpoch trains one epoch, measures the validation rows and keeps the best
// candidate. It returns the values of the epoch and advances r.epoch.
func (r *Run) trainEpoch(ctx context.Context) (Values, error) {
	means := newMeans()
	if err := r.beginStage(ctx, means); err != nil {
		return nil, err
	}
	if r.head.NeedsRepresentations(r.headEpoch()) {
		h, err := r.represent(ctx, r.data.Split.Train, nil)
		if err != nil {
			return nil, fmt.Errorf("represent training rows: %w", err)
		}
		own := gather(r.availability, r.data.Split.Train, 1)
		h = r.reveal(h, r.data.Split.Train, own, own)
		if err := r.head.Refresh(r.headEpoch(), h); err != nil {
			return nil, fmt.Errorf("refresh dictionary: %w", err)
		}
	}
	for _, positions := range batches(len(r.data.Split.Train), r.cfg.BatchSize, r.cfg.InitSeed, r.epoch) {
		// The backbone gets this forward while it is at the backward of the last
		// step, whose result comes first.
		b, err := r.forward(ctx, positions)
		if err := r.settle(means); err != nil {
			return nil, fmt.Errorf("step %d: %w", r.step-1, err)
		}
		if err == nil {
			err = r.learn(ctx, b, means)
		}
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", r.step, err)
		}
		r.step++
	}
	if err := r.settle(means); err != nil {
		return nil, fmt.Errorf("step %d: %w", r.step-1, err)
	}
	values := means.values("train")
	if err := r.validate(ctx, values); err != nil {
		return nil, err
	}
	r.epoch++
	return values, nil
}

// batch is a step's training rows.
type batch struct {
	positions []int32 // in the training split
	rows      []int32 // of the store
	own       []uint64
	seen      []uint64 // by the backbone
	labels    []float32
	h         []float32 // valid until the next forward
	frozen    bool      // the backbone does not learn from it
}

// forward has the backbone answer h of training rows given by their positions in
// the training split.
func (r *Run) forward(ctx context.Context, positions []int32) (batch, error) {
	if err := ctx.Err(); err != nil {
		return batch{}, err
	}
	rows := gather(r.data.Split.Train, positions, 1)
	b := batch{
		positions: positions,
		rows:      rows,
		own:       gather(r.availability, rows, 1),
		labels:    gather(r.labels, rows, r.labelWidth),
		frozen:    r.head.Frozen(r.headEpoch()),
	}
	b.seen = b.own
	if r.strategy != nil {
		var augmented sdk.AugmentResponse
		if err := r.strategy.Augment(ctx, sdk.AugmentRequest{Rows: positions, Availability: b.own, Step: r.step}, &augmented); err != nil {
			return b, fmt.Errorf("augment: %w", err)
		}
		b.seen = augmented.Availability
	}
	b.seen = r.head.Availability(b.seen, r.step)
	if err := subsets(b.own, b.seen); err != nil {
		return b, err
	}

	// A frozen backbone answers as when it predicts: without Backward nothing of
	// it changes, neither by momentum and weight decay nor by running statistics.
	request := sdk.ForwardRequest{Rows: rows, Availability: b.seen, Mode: sdk.Train, Step: r.step}
	if b.frozen {
		request.Mode = sdk.Eval
	} else if r.needsLabels {
		request.Labels = b.labels
	}
	if err := r.backbone.Forward(ctx, request, &r.represented); err != nil {
		return b, fmt.Errorf("forward: %w", err)
	}
	b.h = r.represented.H.Data
	return b, nil
}

// learn has head, strategy and backbone learn from a batch. The backbone may
// still be at it afterwards; settle waits.
func (r *Run) learn(ctx context.Context, b batch, means *means) error {
	m, err := r.mix(ctx, b)
	if err != nil {
		return err
	}
	seen := r.asHeadSees(b, m)
	// The head sees the data's own availability: an intervened mask says nothing
	// about the confounder, the observed one does.
	out, err := r.head.Forward(seen.input, causal.Batch{Positions: seen.positions, Availability: seen.own, Labels: seen.labels}, r.headEpoch(), r.step)
	if err != nil {
		return fmt.Errorf("head forward: %w", err)
	}
	for i, loss := range out.RowLoss {
		if math.IsNaN(float64(loss)) || math.IsInf(float64(loss), 0) {
			return &sdk.Error{Code: sdk.CodeNotFinite, Message: fmt.Sprintf(
				"training diverged: the loss of batch row %d is %v in epoch %d; lower optimizer.lr or raise optimizer.weight_decay", i, loss, r.epoch)}
		}
	}

	rows := len(seen.positions)
	var weights, dlogits, dh []float32
	var reset bool
	if r.strategy != nil {
		var objective sdk.ObjectiveResponse
		if err := r.strategy.Objective(ctx, sdk.ObjectiveRequest{
			Rows:         seen.positions,
			H:            sdk.Tensor{Shape: []int{rows, r.cfg.Width}, Data: seen.h},
			Logits:       sdk.Tensor{Shape: []int{rows, len(out.Logits) / rows}, Data: out.Logits},
			RowLoss:      out.RowLoss,
			Labels:       seen.labels,
			Availability: seen.own,
			Groups:       gather(r.groups, seen.positions, 1),
			Step:         r.step,
		}, &objective); err != nil {
			return fmt.Errorf("objective: %w", err)
		}
		weights, dlogits, dh = objective.Weights, objective.DLogits.Data, objective.DH.Data
		if reset = objective.ResetOptimizer; reset {
			r.head.ResetOptimizers()
		}
		means.add("strategy/penalty", objective.Penalty, 1)
		for _, term := range objective.Terms {
			means.add("strategy/"+term.Name, term.Value, 1)
		}
	}
	own := weights // of the rows of the batch
	if m != nil {
		own = weights[:min(len(weights), len(b.positions))]
		weights = m.Halves(weights)
	}

	gradient, terms, err := r.head.Gradient(weights, dlogits)
	if err != nil {
		return fmt.Errorf("head gradient: %w", err)
	}
	defer r.head.Update() // while the backbone works on its gradient
	means.add("loss", weightedMean(out.RowLoss, weights), float64(len(b.positions)))
	for _, term := range terms {
		means.add(term.Name, term.Value, float64(len(b.positions)))
	}
	if b.frozen {
		return nil
	}

	gradient = r.conceal(gradient)
	for i := range dh {
		gradient[i] += dh[i]
	}
	if m != nil {
		gradient = m.Unmixed(gradient, r.cfg.Width)
	}
	return r.startBackward(ctx, sdk.BackwardRequest{
		DH:      sdk.Tensor{Shape: []int{len(b.positions), r.cfg.Width}, Data: gradient},
		Weights: own,

		ResetOptimizer: reset,
	}, means)
}

// batches returns the positions 0..n-1 in the order of the epoch, cut into the
// fewest batches of at most size; sizes differ by one at most, so that no
// straggler of a few rows distorts a step.
func batches(n, size int, seed uint64, epoch int) [][]int32 {
	order := make([]int32, n)
	for i, p := range rng.Stream(seed, "order", epoch).Perm(n) {
		order[i] = int32(p)
	}
	count := (n + size - 1) / size
	out := make([][]int32, count)
	for i := range out {
		out[i] = order[i*n/count : (i+1)*n/count]
	}
	return out
}

// subsets refuses an availability that claims a modality the row does not have
// or leaves a row with none.
func subsets(own, seen []uint64) error {
	if len(seen) != len(own) {
		return &sdk.Error{Code: sdk.CodeBadShape, Message: fmt.Sprintf("augment answered %d rows for %d", len(seen), len(own))}
	}
	for i := range seen {
		if seen[i]&^own[i] != 0 || (seen[i] == 0 && own[i] != 0) {
			return &sdk.Error{Code: sdk.CodeBadRequest, Message: fmt.Sprintf(
				"augment answered availability %b for batch row %d, whose own is %b: it must be a subset with at least one modality", seen[i], i, own[i])}
		}
	}
	return nil
}

func weightedMean(values, weights []float32) float64 {
	var sum, total float64
	for i, v := range values {
		w := 1.0
		if weights != nil {
			w = float64(weights[i])
		}
		sum += w * float64(v)
		total += w
	}
	if total == 0 {
		return 0
	}
	return sum / total
}
