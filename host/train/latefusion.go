package train

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/sdk/rng"
)

const (
	// fusionRows and fusionColumns bound the late fusion: training rows that it is
	// fitted on, and columns of a modality.
	fusionRows    = 1000
	fusionColumns = 8
)

// lateFusion is a logistic regression of the event on the first columns of every
// modality, standardised, 0 where missing: each modality adds its share to the
// logit, and nothing tells it the mask. What hiding a block does to it is what the
// block's values were worth to a plain model.
type lateFusion struct {
	model   diagnose.Logit
	widths  []int
	columns []float64 // of the examined rows, [rows, sum of widths]
	ok      bool
}

func (r *Run) lateFusion(examined []int32) (lateFusion, error) {
	rows, labels := r.drawn("late fusion")
	var f lateFusion
	for _, modality := range r.data.Store.Modalities() {
		f.widths = append(f.widths, min(modality.Width, fusionColumns))
	}
	x, err := r.fused(rows, f.widths)
	if err != nil {
		return f, fmt.Errorf("late fusion: %w", err)
	}
	if f.columns, err = r.fused(examined, f.widths); err != nil {
		return f, fmt.Errorf("late fusion: %w", err)
	}
	f.model, err = diagnose.FitLogit(x, f.width(), labels, diagnose.LogitOptions{L2: 1})
	f.ok = err == nil // one class only: there is no reference
	return f, nil
}

// drawn are training rows whose event is known, with it.
func (r *Run) drawn(purpose string) (rows []int32, labels []float64) {
	train := r.data.Split.Train
	for _, i := range rng.Stream(r.cfg.InitSeed, purpose).Perm(len(train))[:min(fusionRows, len(train))] {
		if label := float64(r.outputLabel(train[i], r.event())); !math.IsNaN(label) {
			rows, labels = append(rows, train[i]), append(labels, label)
		}
	}
	return rows, labels
}

func (f lateFusion) width() int {
	width := 0
	for _, w := range f.widths {
		width += w
	}
	return width
}

// fused returns the first columns of every modality, [rows, sum of widths].
func (r *Run) fused(rows []int32, widths []int) ([]float64, error) {
	total := lateFusion{widths: widths}.width()
	out := make([]float64, len(rows)*total)
	from := 0
	for m, width := range widths {
		values, err := r.columns(m, rows)
		if err != nil {
			return nil, err
		}
		wide := r.data.Store.Modalities()[m].Width
		for i, row := range rows {
			if r.availability[row]>>m&1 == 0 {
				continue
			}
			for j := range width {
				out[i*total+from+j] = float64(values[i*wide+j])
			}
		}
		from += width
	}
	return out, nil
}

// score predicts examined rows, given by position, with the modalities that left
// has; nil without a model.
func (f lateFusion) score(at []int, left []uint64) []float64 {
	if !f.ok {
		return nil
	}
	width := f.width()
	x := make([]float64, 0, len(at)*width)
	for k, i := range at {
		row := slices.Clone(f.columns[i*width : (i+1)*width])
		from := 0
		for m, w := range f.widths {
			if left[k]>>m&1 == 0 {
				clear(row[from : from+w])
			}
			from += w
		}
		x = append(x, row...)
	}
	return f.model.Predict(x, width)
}

// likeCovariates groups rows by tenths of what the covariates alone predict of the
// event, a prognostic score (Hansen, Biometrika 2008); one group without
// covariates.
func (r *Run) likeCovariates(rows []int32) []int {
	const groups = 10
	out, width := make([]int, len(rows)), r.data.Store.CovariateWidth()
	if width == 0 {
		return out
	}
	fit, labels := r.drawn("prognosis")
	model, err := diagnose.FitLogit(widen(r.covariates(fit)), width, labels, diagnose.LogitOptions{L2: 1})
	if err != nil {
		return out
	}
	score := model.Predict(widen(r.covariates(rows)), width)
	order := every(len(rows))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(score[a], score[b]) })
	for place, i := range order {
		out[i] = place * groups / len(order)
	}
	return out
}
