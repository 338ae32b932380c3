package causal

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Batch is a batch of training rows.
type Batch struct {
	// Positions are positions in the training split.
	Positions []int32
	// Availability is the rows' own, also where an intervened one was sent to the
	// backbone: the observed pattern carries the confounder, a drawn one does not.
	Availability []uint64
	// Labels are Task.LabelWidth() values a row.
	Labels []float32
}

// Output is the answer to a training batch, by the head that will predict.
type Output struct {
	Logits  []float32 // [rows * Outputs]
	RowLoss []float32 // [rows], before any weight
}

// Prediction holds probabilities, [rows * Outputs].
type Prediction struct {
	// Do is what the variant reports: averaged over strata, z_b or both where the
	// variant adjusts.
	Do []float32
	// Observed is the same network in the row's own stratum and with its own z_b.
	// It equals Do where nothing is adjusted.
	Observed []float32
	// Terms say what the adjustment did, as means over the rows:
	//
	//   - enumeration_variance: of p_k(x) over the strata k by their prior, or over
	//     the pool of the marginal; 0 means that the adjustment is inert
	//   - spoofing: change of Observed when the row is told a stratum drawn from the
	//     prior and h stays; what the network reads off the stratum alone
	//   - attention_divergence: KL(attention times prior, renormalised || prior) of
	//     nwgm as published; 0 means that attention ignores x
	//   - context_norm: norm of the averaged dictionary g of nwgm
	//   - causal_reliance, spurious_reliance: change of Observed when z_c, or z_b, is
	//     taken from another row
	Terms []Term
}

// Term is a named number.
type Term struct {
	Name  string
	Value float64
}

// Head turns representations into predictions and owns all parameters of the
// host. One goroutine may use it at a time. An epoch is: NeedsRepresentations
// (and Refresh if so), then for every batch Availability, Forward, Gradient,
// Update. Predict may be called at any time but between the last two.
type Head struct {
	cfg      Config
	training Training
	schedule schedule
	strata   *dictionary // nil without strata
	network  network
	groups   []*group

	train, quiet *nn.Tape
	pending      *pass    // a Forward that has had no Gradient
	due          []*group // have a gradient and wait for Update

	epoch     int // of the last Refresh or Forward
	step      uint64
	refreshed int // epoch of the last Refresh; -1 before
}

// New builds a head. The dictionary and prior are made of training rows only.
func New(cfg Config, training Training) (*Head, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := training.validate(cfg.Task, cfg.Biased); err != nil {
		return nil, err
	}
	h := &Head{
		cfg:       cfg,
		training:  training,
		schedule:  newSchedule(cfg.Missingness, cfg.DualBranch, cfg.Epochs),
		train:     nn.NewTape(),
		quiet:     nn.NewTape(),
		refreshed: -1,
	}
	if cfg.Missingness.stratified() {
		var err error
		if h.strata, err = newDictionary(cfg, training); err != nil {
			return nil, err
		}
	}
	var err error
	switch {
	case cfg.Biased > 0:
		h.network, h.groups, err = newProxied(h)
	case cfg.DualBranch.subtracts():
		h.network, h.groups, err = newSubtracted(h)
	case cfg.DualBranch.attends():
		h.network, h.groups, err = newAttended(h)
	case cfg.DualBranch != nil && !cfg.DualBranch.Separates():
		h.network, h.groups, err = newBranches(h)
	case h.strata == nil:
		h.network, h.groups, err = newPlain(h)
	case cfg.Missingness.Mode == NWGM:
		h.network, h.groups, err = newAttention(h)
	default:
		h.network, h.groups, err = newEnumeration(h)
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// NeedsRepresentations reports whether Refresh has to be called before the first
// Forward of an epoch.
func (h *Head) NeedsRepresentations(epoch int) bool {
	return h.refreshed != epoch && h.network.needsRefresh(epoch)
}

// Refresh rebuilds dictionary and pool from the representations of all training
// rows, [N, Width] in evaluation mode.
func (h *Head) Refresh(epoch int, representations []float32) error {
	n := len(h.training.Availability)
	if len(representations) != n*h.cfg.Width {
		return fmt.Errorf("%d values for the representations of %d training rows of width %d", len(representations), n, h.cfg.Width)
	}
	for i, v := range representations {
		if v != v || math.IsInf(float64(v), 0) {
			return fmt.Errorf("the representation of training row %d holds %v", i/h.cfg.Width, v)
		}
	}
	h.epoch, h.refreshed = epoch, epoch
	h.network.refresh(h.quiet, epoch, representations)
	return nil
}

// Settled reports whether the head after an epoch predicts in the form the
// variant reports, so that the epoch may be chosen as the best one.
func (h *Head) Settled(epoch int) bool { return epoch >= h.schedule.settled() }

// Frozen reports whether an epoch trains nothing below the head's last
// classifier: no gradient reaches h, and the backbone must not move either.
func (h *Head) Frozen(epoch int) bool { return h.network.frozen(epoch) }

// Forward answers a training batch. It copies rep [rows, Width].
func (h *Head) Forward(rep []float32, b Batch, epoch int, step uint64) (Output, error) {
	rows := len(b.Positions)
	switch {
	case h.due != nil:
		return Output{}, errNoUpdate
	case rows == 0:
		return Output{}, errors.New("the batch is empty")
	case len(rep) != rows*h.cfg.Width:
		return Output{}, fmt.Errorf("%d values for %d representations of width %d", len(rep), rows, h.cfg.Width)
	case len(b.Availability) != rows:
		return Output{}, fmt.Errorf("%d availabilities for %d rows", len(b.Availability), rows)
	case len(b.Labels) != rows*h.cfg.Task.LabelWidth():
		return Output{}, fmt.Errorf("%d labels for %d rows", len(b.Labels), rows)
	case h.NeedsRepresentations(epoch):
		return Output{}, fmt.Errorf("epoch %d starts with Refresh", epoch)
	}
	if err := h.cfg.Task.checkLabels(b.Labels); err != nil {
		return Output{}, err
	}
	for _, p := range b.Positions {
		if p < 0 || int(p) >= len(h.training.Availability) {
			return Output{}, fmt.Errorf("position %d is outside the %d training rows", p, len(h.training.Availability))
		}
	}
	h.epoch, h.step = epoch, step
	h.train.Reset()
	p := &pass{tape: h.train, batch: b, rows: rows, epoch: epoch, step: step}
	p.h = p.tape.Leaf(rows, h.cfg.Width, append([]float32(nil), rep...))
	h.network.forward(p)
	h.pending = p
	return Output{
		Logits:  append([]float32(nil), p.logits.Value...),
		RowLoss: narrow(p.rowLoss),
	}, nil
}

// errNoUpdate is the error of a call between Gradient and Update.
var errNoUpdate = errors.New("the last gradient waits for its update")

// Backward is Gradient and Update at once, for a caller that has nothing to do
// in between.
func (h *Head) Backward(weights, dlogits []float32) ([]float32, []Term, error) {
	dh, terms, err := h.Gradient(weights, dlogits)
	if err == nil {
		h.Update()
	}
	return dh, terms, err
}

// Gradient is the first half of finishing the step that Forward began: it weights
// row i by weights[i] (nil is 1 for all), adds dlogits (nil is 0) to the gradient
// of the logits, and returns dh [rows, Width], which the caller owns, and the
// terms of the objective. Parameters move with Update, while a backbone can work
// on dh; those of an estimator that the objective fits for itself (vCLUB) move
// here. A row with weight 0 has no influence. If all weights
// are 0 and dlogits is nil, Update changes nothing.
func (h *Head) Gradient(weights, dlogits []float32) ([]float32, []Term, error) {
	p := h.pending
	if p == nil {
		return nil, nil, errors.New("backward without a forward")
	}
	h.pending = nil
	var err error
	if p.share, err = shares(weights, p.rows); err != nil {
		return nil, nil, err
	}
	if dlogits != nil && len(dlogits) != len(p.logits.Value) {
		return nil, nil, fmt.Errorf("%d gradients for %d logits", len(dlogits), len(p.logits.Value))
	}
	if dlogits == nil && len(present(p.share)) == 0 {
		return make([]float32, p.rows*h.cfg.Width), nil, nil
	}
	for _, g := range h.groups {
		g.params.ZeroGrad()
	}
	for i, d := range dlogits {
		p.logits.Grad[i] += d
	}
	terms, due := h.network.backward(p)
	h.due = due
	return append([]float32(nil), p.h.Grad...), terms, nil
}

// ResetOptimizers has all optimisers forget their running moments.
func (h *Head) ResetOptimizers() {
	for _, g := range h.groups {
		g.optimizer.Reset()
	}
}

// Update moves the parameters along the gradients of the last Gradient. Without
// one it does nothing.
func (h *Head) Update() {
	for _, g := range h.due {
		g.optimizer.Step()
	}
	h.due = nil
}

// Predict scores rows that need not be training rows; rep is [rows, Width] in
// evaluation mode. It works for availabilities that training never saw.
func (h *Head) Predict(rep []float32, availability []uint64) (Prediction, error) {
	return h.predict(rep, availability, nil, nil)
}

// Counterfactual is Predict with z_c of row causal[i] and z_b of row biased[i] in
// the place of row i's own (the branch swap of DisC, NeurIPS 2022, at test time);
// nil leaves a branch as it is. The availability stays that of row i. Only a head
// whose Branches answers two branches reacts.
func (h *Head) Counterfactual(rep []float32, availability []uint64, causal, biased []int32) (Prediction, error) {
	for _, from := range [][]int32{causal, biased} {
		if from != nil && len(from) != len(availability) {
			return Prediction{}, fmt.Errorf("%d rows lend a branch to %d", len(from), len(availability))
		}
		for _, row := range from {
			if row < 0 || int(row) >= len(availability) {
				return Prediction{}, fmt.Errorf("row %d lends a branch, there are %d", row, len(availability))
			}
		}
	}
	return h.predict(rep, availability, causal, biased)
}

func (h *Head) predict(rep []float32, availability []uint64, causal, biased []int32) (Prediction, error) {
	if h.due != nil {
		return Prediction{}, errNoUpdate
	}
	rows := len(availability)
	if len(rep) != rows*h.cfg.Width {
		return Prediction{}, fmt.Errorf("%d values for %d representations of width %d", len(rep), rows, h.cfg.Width)
	}
	if rows == 0 {
		return Prediction{}, nil
	}
	h.quiet.ResetForward()
	p := &pass{tape: h.quiet, batch: Batch{Availability: availability}, rows: rows, epoch: h.epoch, step: h.step, causal: causal, biased: biased}
	p.h = p.tape.Const(rows, h.cfg.Width, rep)
	do, observed, terms := h.network.predict(p)
	return Prediction{Do: narrow(do), Observed: narrow(observed), Terms: terms}, nil
}

// Diagnostics describes what the head adjusts over; nothing without strata.
//
//   - strata, merged_patterns: size of the dictionary, and how many patterns of
//     the training rows are too rare for a stratum of their own
//   - prior_entropy: of the prior over strata, in nats
func (h *Head) Diagnostics() []Term {
	d := h.strata
	if d == nil {
		return nil
	}
	out := []Term{{"strata", float64(d.size)}, {"merged_patterns", float64(d.patterns.merged)}}
	if d.prior != nil {
		out = append(out, Term{"prior_entropy", entropy(d.prior)})
	}
	return out
}

func entropy(p []float64) float64 {
	sum := 0.0
	for _, v := range p {
		if v > 0 {
			sum -= v * math.Log(v)
		}
	}
	return sum
}

// stream returns the generator of a purpose in a step.
func (h *Head) stream(purpose string, step uint64) *rand.Rand {
	if h.cfg.Dropout == 0 {
		return nil
	}
	return rng.Stream(h.cfg.Seed, purpose, step)
}
