package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk/rng"
)

const (
	// examinedRows bounds the test rows that an examination draws: 95 % limits of a
	// share of a half are then ±0.035.
	examinedRows = 800
	// examinedModalities bounds how many modalities are hidden one at a time.
	examinedModalities = 16
	// hiddenRows is the number of rows that must have a modality, and another one,
	// before it is hidden.
	hiddenRows = 50
)

// missingRates are those of the missing-rate curve (MUSE, ICLR 2024).
var missingRates = []float64{.1, .2, .3, .5, .7}

// Examination is what the finished model answers about a draw of the plain test
// rows when it is asked otherwise than the data stand. Predictions are those of
// the event: class 1, the last of several classes, the first of several labels.
// The draw depends on the rows and Config.InitSeed alone: it is the same in every
// cell.
type Examination struct {
	// Rows of the store, ascending, and their availability.
	Rows         []int32
	Availability []uint64
	// Labels are those of the event, NaN where unknown.
	Labels []float64
	// Score is what the variant reports, Observed the same without adjustment.
	Score, Observed []float64
	// Reference is what a late fusion of the same columns without the mask predicts,
	// which knows what a hidden block was worth; nil where none can be fitted.
	Reference []float64

	// Hidden holds every modality that was hidden from the rows that have it.
	Hidden []Hidden
	// Told is the answer when the head is told the pattern of another row, and
	// Reliant the same without adjustment: all that moves is the indicator.
	// Both are nil for a head that is told none.
	Told, Reliant []float64
	// Claimed is the answer when backbone and head are told that every modality is
	// there: the values of the missing ones stay missing.
	Claimed []float64
	// Placebo is the answer when they are told to have, besides their own, the
	// modalities of another row with like covariates.
	Placebo []float64
	// Rates is the answer when modalities are missing at random at more rates.
	Rates []Rate
	// CausalSwapped and BiasedSwapped are the answers with z_c, or z_b, of another
	// row, CausalObserved and BiasedObserved the same without adjustment; nil
	// without two branches.
	CausalSwapped, BiasedSwapped   []float64
	CausalObserved, BiasedObserved []float64

	// H, Causal and Biased are representation and branches, [len(Rows), width].
	H, Causal, Biased               []float32
	Width, CausalWidth, BiasedWidth int
	// Confounder is the latent U by row; nil where it is not known.
	Confounder []float64
	// DriftFull and DriftMasked are h of DriftRows, positions in Rows, as they are and
	// with half of their modalities hidden at random. DriftComplete says that these
	// rows have every modality; where there are few such, they have at least two.
	DriftFull, DriftMasked []float32
	DriftRows              []int
	DriftComplete          bool
}

// Hidden is a modality that was hidden from rows that have it and another one.
type Hidden struct {
	Modality string
	Rows     []int // positions in Examination.Rows
	Score    []float64
	// Reference is that of the late fusion.
	Reference []float64
}

// Rate is the missing-rate curve at one rate.
type Rate struct {
	Rate             float64
	Score, Reference []float64
}

// examine asks the model whose state is restored.
func (r *Run) examine(ctx context.Context, test dataset.TestSet) (*Examination, error) {
	draw := rng.Stream(r.cfg.InitSeed, "examination")
	chosen := draw.Perm(len(test.Rows))[:min(examinedRows, len(test.Rows))]
	slices.Sort(chosen)
	e := &Examination{Width: r.cfg.Width}
	for _, i := range chosen {
		e.Rows = append(e.Rows, test.Rows[i])
		if test.Confounder != nil {
			e.Confounder = append(e.Confounder, test.Confounder[i])
		}
	}
	if len(e.Rows) == 0 {
		return nil, nil
	}
	e.Availability = gather(r.availability, e.Rows, 1)
	for _, row := range e.Rows {
		e.Labels = append(e.Labels, float64(r.outputLabel(row, r.event())))
	}
	reference, err := r.lateFusion(e.Rows)
	if err != nil {
		return nil, err
	}
	e.Reference = reference.score(every(len(e.Rows)), e.Availability)

	if e.H, err = r.represent(ctx, e.Rows, e.Availability); err != nil {
		return nil, err
	}
	own, err := r.answer(ctx, e.H, e.Rows, e.Availability, e.Availability)
	if err != nil {
		return nil, err
	}
	e.Score, e.Observed = own.score, own.observed
	for _, step := range []func(context.Context, *Examination, lateFusion, *rand.Rand) error{
		r.hide, r.thin, r.tell, r.swap,
	} {
		if err := step(ctx, e, reference, draw); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// event is the output that the diagnostics judge.
func (r *Run) event() int {
	if r.task.Kind == causal.Multiclass {
		return r.task.Classes - 1
	}
	return 0
}

// answered are predictions of the event.
type answered struct{ score, observed []float64 }

// answer has the head predict rows from their h; told is the availability that it
// is shown.
func (r *Run) answer(ctx context.Context, h []float32, rows []int32, told, observed []uint64) (answered, error) {
	p, err := r.head.Predict(r.reveal(h, rows, told, observed), told)
	if err != nil {
		return answered{}, fmt.Errorf("predict: %w", err)
	}
	return r.ofEvent(ctx, p, h, told)
}

// ofEvent are the predictions of the event, with what a strategy fitted on top.
func (r *Run) ofEvent(ctx context.Context, p causal.Prediction, h []float32, told []uint64) (answered, error) {
	var a answered
	if r.optional.fitted {
		s := scores{Do: p.Do, Observed: p.Observed, H: h, Terms: newMeans()}
		if err := r.adjust(ctx, &s, told); err != nil {
			return a, err
		}
		p.Do, p.Observed = s.Do, s.Observed
	}
	outputs, at := r.task.Outputs(), r.event()
	for i := at; i < len(p.Do); i += outputs {
		a.score, a.observed = append(a.score, float64(p.Do[i])), append(a.observed, float64(p.Observed[i]))
	}
	return a, nil
}

// ask has backbone and head predict rows under an availability.
func (r *Run) ask(ctx context.Context, rows []int32, availability []uint64) (answered, error) {
	h, err := r.represent(ctx, rows, availability)
	if err != nil {
		return answered{}, err
	}
	return r.answer(ctx, h, rows, availability, availability)
}

// hide hides one modality at a time.
func (r *Run) hide(ctx context.Context, e *Examination, reference lateFusion, _ *rand.Rand) error {
	for m, modality := range r.data.Store.Modalities() {
		bit := uint64(1) << m
		var at []int
		var rows []int32
		var left []uint64
		for i, a := range e.Availability {
			if a&bit != 0 && a&^bit != 0 {
				at, rows, left = append(at, i), append(rows, e.Rows[i]), append(left, a&^bit)
			}
		}
		if len(at) < hiddenRows || len(e.Hidden) == examinedModalities {
			continue
		}
		a, err := r.ask(ctx, rows, left)
		if err != nil {
			return fmt.Errorf("hide %s: %w", modality.Name, err)
		}
		e.Hidden = append(e.Hidden, Hidden{modality.Name, at, a.score, reference.score(at, left)})
	}
	return nil
}

// thin hides modalities at random, at every rate of the curve, and at one half from
// the rows that have all, or if these are few from all that have two.
func (r *Run) thin(ctx context.Context, e *Examination, reference lateFusion, draw *rand.Rand) error {
	all := every(len(e.Rows))
	for _, rate := range missingRates {
		left := r.thinned(e.Availability, rate, draw)
		a, err := r.ask(ctx, e.Rows, left)
		if err != nil {
			return fmt.Errorf("hide at rate %v: %w", rate, err)
		}
		e.Rates = append(e.Rates, Rate{rate, a.score, reference.score(all, left)})
	}

	full := uint64(1)<<len(r.data.Store.Modalities()) - 1
	complete, several := []int{}, []int{}
	for i, a := range e.Availability {
		if a == full {
			complete = append(complete, i)
		}
		if a&(a-1) != 0 {
			several = append(several, i)
		}
	}
	e.DriftRows, e.DriftComplete = complete, len(complete) >= hiddenRows
	if !e.DriftComplete {
		e.DriftRows = several
	}
	rows, left := make([]int32, len(e.DriftRows)), make([]uint64, len(e.DriftRows))
	for k, i := range e.DriftRows {
		rows[k], left[k] = e.Rows[i], e.Availability[i]
		e.DriftFull = append(e.DriftFull, e.H[i*e.Width:(i+1)*e.Width]...)
	}
	var err error
	if e.DriftMasked, err = r.represent(ctx, rows, r.thinned(left, .5, draw)); err != nil {
		return fmt.Errorf("hide for the drift: %w", err)
	}
	return nil
}

// thinned drops every modality but those that everybody has with probability rate;
// a row that would lose all keeps one.
func (r *Run) thinned(availability []uint64, rate float64, draw *rand.Rand) []uint64 {
	out := make([]uint64, len(availability))
	for i, a := range availability {
		spared, largest := uint64(0), -1.
		for m, modality := range r.data.Store.Modalities() {
			bit, u := uint64(1)<<m, draw.Float64()
			if a&bit == 0 {
				continue
			}
			if modality.Always || u >= rate {
				out[i] |= bit
			}
			if u > largest {
				spared, largest = bit, u
			}
		}
		if out[i] == 0 {
			out[i] = spared
		}
	}
	return out
}

// tell tells of availabilities that are not so. No value is hidden.
func (r *Run) tell(ctx context.Context, e *Examination, _ lateFusion, draw *rand.Rand) error {
	other := permutedWithin(make([]int, len(e.Rows)), draw)
	if r.revealed > 0 || r.cfg.Missingness != nil {
		told := make([]uint64, len(e.Rows))
		for i, from := range other {
			told[i] = e.Availability[from]
		}
		a, err := r.answer(ctx, e.H, e.Rows, told, e.Availability)
		if err != nil {
			return err
		}
		e.Told, e.Reliant = a.score, a.observed
	}

	full := uint64(1)<<len(r.data.Store.Modalities()) - 1
	claimed, placebo := make([]uint64, len(e.Rows)), make([]uint64, len(e.Rows))
	like := permutedWithin(r.likeCovariates(e.Rows), draw)
	for i, a := range e.Availability {
		claimed[i], placebo[i] = full, a|e.Availability[like[i]]
	}
	for _, c := range []struct {
		told []uint64
		into *[]float64
	}{{claimed, &e.Claimed}, {placebo, &e.Placebo}} {
		h, err := r.represent(ctx, e.Rows, c.told)
		if err != nil {
			return fmt.Errorf("claim modalities that rows lack: %w", err)
		}
		a, err := r.answer(ctx, h, e.Rows, c.told, e.Availability)
		if err != nil {
			return err
		}
		*c.into = a.score
	}
	return nil
}

// swap exchanges branches between rows.
func (r *Run) swap(ctx context.Context, e *Examination, _ lateFusion, draw *rand.Rand) error {
	revealed := r.reveal(e.H, e.Rows, e.Availability, e.Availability)
	var err error
	if e.Causal, e.Biased, err = r.head.Branches(revealed); err != nil || e.Causal == nil {
		return err
	}
	e.CausalWidth, e.BiasedWidth = len(e.Causal)/len(e.Rows), len(e.Biased)/len(e.Rows)
	from := make([]int32, len(e.Rows))
	for i, j := range permutedWithin(make([]int, len(e.Rows)), draw) {
		from[i] = int32(j)
	}
	causal, err := r.head.Counterfactual(revealed, e.Availability, from, nil)
	if err != nil {
		return fmt.Errorf("swap causal branches: %w", err)
	}
	biased, err := r.head.Counterfactual(revealed, e.Availability, nil, from)
	if err != nil {
		return fmt.Errorf("swap biased branches: %w", err)
	}
	c, err := r.ofEvent(ctx, causal, e.H, e.Availability)
	if err != nil {
		return err
	}
	b, err := r.ofEvent(ctx, biased, e.H, e.Availability)
	if err != nil {
		return err
	}
	e.CausalSwapped, e.CausalObserved = c.score, c.observed
	e.BiasedSwapped, e.BiasedObserved = b.score, b.observed
	return nil
}

// permutedWithin permutes the positions within groups.
func permutedWithin(group []int, draw *rand.Rand) []int {
	members := map[int][]int{}
	for i, g := range group {
		members[g] = append(members[g], i)
	}
	out := make([]int, len(group))
	for g := range slices.Max(group) + 1 {
		of := members[g]
		for k, j := range draw.Perm(len(of)) {
			out[of[k]] = of[j]
		}
	}
	return out
}

func every(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
