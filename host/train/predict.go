package train

import (
	"context"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
)

// scores are the predictions of a set of rows, [rows, outputs] row-major.
type scores struct {
	// Do is what the variant reports: adjusted where the variant adjusts.
	Do []float32
	// Observed is the same model's prediction without the adjustment.
	Observed []float32
	// Terms say what the adjustment did to the rows; see causal.Prediction.
	Terms *means
	// H is the representation, [rows, width].
	H []float32
}

// represent returns h [len(rows), width] in evaluation mode. availability
// replaces the data's own when it is not nil.
func (r *Run) represent(ctx context.Context, rows []int32, availability []uint64) ([]float32, error) {
	if availability == nil {
		availability = gather(r.availability, rows, 1)
	}
	h := make([]float32, 0, len(rows)*r.cfg.Width)
	var resp sdk.ForwardResponse
	for from := 0; from < len(rows); from += r.cfg.BatchSize {
		to := min(from+r.cfg.BatchSize, len(rows))
		if err := r.backbone.Forward(ctx, sdk.ForwardRequest{
			Rows: rows[from:to], Availability: availability[from:to], Mode: sdk.Eval, Step: r.step,
		}, &resp); err != nil {
			return nil, fmt.Errorf("forward: %w", err)
		}
		h = append(h, resp.H.Data...)
	}
	return h, nil
}

// predict is score, and what a strategy has fitted to validation rows on top.
func (r *Run) predict(ctx context.Context, rows []int32, availability []uint64) (scores, error) {
	s, err := r.score(ctx, rows, availability)
	if err != nil || !r.optional.fitted {
		return s, err
	}
	if availability == nil {
		availability = gather(r.availability, rows, 1)
	}
	return s, r.adjust(ctx, &s, availability)
}

// score has the model predict rows under the given availability, or their own when nil.
func (r *Run) score(ctx context.Context, rows []int32, availability []uint64) (scores, error) {
	if availability == nil {
		availability = gather(r.availability, rows, 1)
	}
	h, err := r.represent(ctx, rows, availability)
	if err != nil {
		return scores{}, err
	}
	outputs := r.task.Outputs()
	s := scores{
		Do:       make([]float32, 0, len(rows)*outputs),
		Observed: make([]float32, 0, len(rows)*outputs),
		Terms:    newMeans(),
		H:        h,
	}
	for from := 0; from < len(rows); from += r.cfg.BatchSize {
		to := min(from+r.cfg.BatchSize, len(rows))
		shown := availability[from:to]
		p, err := r.head.Predict(r.reveal(h[from*r.cfg.Width:to*r.cfg.Width], rows[from:to], shown, shown), shown)
		if err != nil {
			return scores{}, fmt.Errorf("predict: %w", err)
		}
		s.Do = append(s.Do, p.Do...)
		s.Observed = append(s.Observed, p.Observed...)
		for _, term := range p.Terms {
			s.Terms.add(term.Name, term.Value, float64(to-from))
		}
	}
	for i, p := range s.Do {
		if !(p >= 0 && p <= 1) {
			return scores{}, &sdk.Error{Code: sdk.CodeNotFinite, Message: fmt.Sprintf("prediction of row %d is %v, not a probability", i/outputs, p)}
		}
	}
	return s, nil
}
