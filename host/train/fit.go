package train

import (
	"context"
	"fmt"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// fitFolds is how many parts the validation rows are adjusted in, each by what was
// fitted to the others.
const fitFolds = 5

// fit scores the validation rows and has the strategy fit to them, if it does that:
// then what predict answers is the strategy's, and the scores of the validation rows
// themselves are cross-fitted by patient, so that they say what the strategy does to
// rows that it has not seen. Nothing is learnt of other rows. It may be called
// again, with the same result.
func (r *Run) fit(ctx context.Context, values Values) (scores, error) {
	rows := r.data.Split.Validation
	r.optional.fitted = false
	s, err := r.predict(ctx, rows, nil)
	if err != nil || r.optional.fitter == nil {
		return s, err
	}
	groups, err := r.groupsOf(rows)
	if err != nil {
		return s, err
	}
	held := held{s: s, rows: rows, availability: gather(r.availability, rows, 1), groups: groups}
	fitted := held.s
	fitted.Do, fitted.Observed = slices.Clone(s.Do), slices.Clone(s.Observed)
	for _, at := range r.fitFolds(rows) {
		if _, err := r.fitTo(ctx, held.without(at)); err != nil {
			return s, err
		}
		part := r.part(held, at)
		if err := r.adjust(ctx, &part, gather(held.availability, at, 1)); err != nil {
			return s, err
		}
		outputs := r.task.Outputs()
		for k, i := range at {
			copy(fitted.Do[int(i)*outputs:], part.Do[k*outputs:(k+1)*outputs])
			copy(fitted.Observed[int(i)*outputs:], part.Observed[k*outputs:(k+1)*outputs])
		}
	}
	terms, err := r.fitTo(ctx, held)
	if err != nil {
		return s, err
	}
	for _, term := range terms {
		values[Metric{Name: "strategy/" + term.Name, Split: "val"}] = term.Value
	}
	r.optional.fitted = true
	return fitted, nil
}

// held are scored validation rows; of those in left nothing is shown.
type held struct {
	s            scores
	rows         []int32
	availability []uint64
	groups       []int32
	left         []int32 // positions in rows, ascending
}

func (h held) without(at []int32) held {
	h.left = at
	return h
}

// shown are the positions that are not left out.
func (h held) shown() []int32 {
	out := make([]int32, 0, len(h.rows))
	for i := range h.rows {
		if _, found := slices.BinarySearch(h.left, int32(i)); !found {
			out = append(out, int32(i))
		}
	}
	return out
}

// fitFolds parts rows, as positions, by patient; one part has all of a patient.
// With fewer patients than folds there are as many parts as patients.
func (r *Run) fitFolds(rows []int32) [][]int32 {
	of := gather(r.data.Store.PatientIndex(), rows, 1)
	patients := slices.Clone(of)
	slices.Sort(patients)
	patients = slices.Compact(patients)
	folds := make([][]int32, min(fitFolds, len(patients)))
	in := make(map[int32]int, len(patients))
	for k, i := range rng.Stream(r.cfg.InitSeed, "post-hoc", "folds").Perm(len(patients)) {
		in[patients[i]] = k % len(folds)
	}
	for i, patient := range of {
		folds[in[patient]] = append(folds[in[patient]], int32(i))
	}
	return folds
}

// fitTo has the strategy fit to the rows that are not left out.
func (r *Run) fitTo(ctx context.Context, h held) ([]sdk.Term, error) {
	at := h.shown()
	if len(at) == 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "all validation rows are of one patient: the strategy cannot be fitted to some and judged on others")
	}
	part := r.part(h, at)
	var resp sdk.FitResponse
	err := r.optional.fitter.Fit(ctx, sdk.FitRequest{
		Predictions:  r.tensor(part.Do),
		H:            r.heldH(part),
		Labels:       gather(r.labels, gather(h.rows, at, 1), r.labelWidth),
		Availability: gather(h.availability, at, 1),
		Groups:       gather(h.groups, at, 1),
	}, &resp)
	if err != nil {
		return nil, fmt.Errorf("fit strategy to validation rows: %w", err)
	}
	return resp.Terms, nil
}

// part are the scores of some of the rows.
func (r *Run) part(h held, at []int32) scores {
	outputs := r.task.Outputs()
	return scores{
		Do: gather(h.s.Do, at, outputs), Observed: gather(h.s.Observed, at, outputs), H: gather(h.s.H, at, r.cfg.Width), Terms: newMeans(),
	}
}

// heldH is the representation, if the strategy is to see it.
func (r *Run) heldH(s scores) sdk.Tensor {
	if r.optional.of != sdk.PostHocRepresentation {
		return sdk.Tensor{}
	}
	return sdk.Tensor{Shape: []int{len(s.H) / r.cfg.Width, r.cfg.Width}, Data: s.H}
}

// adjust replaces scores by what the strategy makes of them. Scores without the
// adjustment of the host's components go through the same map, so that the two
// still differ by that alone.
func (r *Run) adjust(ctx context.Context, s *scores, availability []uint64) error {
	observed := s.Observed
	do, terms, err := r.adjusted(ctx, s.Do, *s, availability)
	if err != nil {
		return err
	}
	for _, term := range terms {
		s.Terms.add("strategy/"+term.Name, term.Value, 1)
	}
	if slices.Equal(s.Do, observed) {
		s.Do, s.Observed = do, do
		return nil
	}
	s.Do = do
	s.Observed, _, err = r.adjusted(ctx, observed, *s, availability)
	return err
}

func (r *Run) adjusted(ctx context.Context, predictions []float32, s scores, availability []uint64) ([]float32, []sdk.Term, error) {
	if len(predictions) == 0 {
		return nil, nil, nil
	}
	var resp sdk.AdjustResponse
	if err := r.optional.fitter.Adjust(ctx, sdk.AdjustRequest{
		Predictions: r.tensor(predictions), H: r.heldH(s), Availability: availability,
	}, &resp); err != nil {
		return nil, nil, fmt.Errorf("adjust predictions: %w", err)
	}
	return slices.Clone(resp.Predictions.Data), resp.Terms, nil
}
