package causal

import (
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// refreshRows is how many representations are turned into z_b at a time.
const refreshRows = 1024

func (n *branches) needsRefresh(epoch int) bool {
	h := n.head
	if h.strata != nil && h.strata.needsRefresh(epoch, h.schedule.warmup) {
		return true
	}
	if n.settings.Predict != PredictMarginal || epoch < h.schedule.joint {
		return false
	}
	every := 1
	if h.cfg.Missingness != nil {
		every = h.cfg.Missingness.Refresh
	}
	return len(n.saved.PoolBiased) == 0 || (epoch-h.schedule.joint)%every == 0
}

// refresh rebuilds the dictionary, where it is made of representations, and the
// pool: (z_b, stratum) of training rows that are drawn once.
func (n *branches) refresh(t *nn.Tape, epoch int, representations []float32) {
	h := n.head
	if d := h.strata; d != nil && d.fromFeatures {
		rows := representations
		if d.settings.Dictionary == KMeans && d.settings.Context == ContextBiased {
			rows = n.biasedParts(t, representations)
		}
		d.refresh(rows, h.cfg.Width)
	}
	if n.settings.Predict != PredictMarginal || epoch < h.schedule.joint {
		return
	}
	width, total := h.cfg.Width, len(h.training.Availability)
	pool := rng.Stream(h.cfg.Seed, "pool").Perm(total)[:min(n.settings.Pool, total)]
	rows := make([]float32, 0, len(pool)*width)
	n.saved.PoolStrata = nil
	for _, i := range pool {
		rows = append(rows, representations[i*width:(i+1)*width]...)
		if h.strata != nil {
			n.saved.PoolStrata = append(n.saved.PoolStrata, h.strata.own[i])
		}
	}
	n.saved.PoolBiased = n.biasedParts(t, rows)
}

// biasedParts returns z_b of representations [rows, width].
func (n *branches) biasedParts(t *nn.Tape, representations []float32) []float32 {
	size := refreshRows * n.head.cfg.Width
	out := make([]float32, 0, len(representations))
	for from := 0; from < len(representations); from += size {
		chunk := representations[from:min(from+size, len(representations))]
		t.Reset()
		out = append(out, branch(t, n.biased, t.Const(len(chunk)/n.head.cfg.Width, n.head.cfg.Width, chunk)).Value...)
	}
	return out
}

// scorer predicts for one batch with the head that the present stage trains: the
// joint head, or before that the causal one.
type scorer struct {
	*branches
	t        *nn.Tape
	on       *classifier
	joint    bool
	withB    bool      // on also sees z_b
	codes    *nn.Var   // what the strata contribute to on, [K, hidden]; one row of zeros without
	prior    []float64 // of the strata; {1} without
	observed []float64 // of the strata for each row, [rows * K]; {1} without
	variance float64   // over what was averaged
}

func (n *branches) predict(p *pass) (do, observed []float64, terms []Term) {
	h, t := n.head, p.tape
	if p.epoch < h.schedule.warmup {
		logits := n.plain.apply(t, nil, p.h)
		do = make([]float64, len(logits.Value))
		h.cfg.Task.probabilities(do, logits.Value)
		return do, do, nil
	}
	c, b := branch(t, n.causal, p.h), branch(t, n.biased, p.h)
	s := n.newScorer(p, b)
	observed = s.own(c, b)
	if p.rows > 1 {
		next := slices.Concat(every(p.rows)[1:], []int32{0})
		terms = append(terms,
			Term{"causal_reliance", meanDistance(observed, s.own(t.Gather(c, next), b))},
			Term{"spurious_reliance", meanDistance(observed, s.own(c, t.Gather(b, next)))})
	}
	switch {
	case n.settings.Predict == PredictOwn:
		do = s.overStrata(c, b)
	case n.settings.Predict == PredictMarginal && s.joint && len(n.saved.PoolBiased) > 0:
		do = s.marginal(c)
	default: // also in place of the marginal until the joint head exists
		do = s.drop(c)
	}
	terms = append(terms, Term{"enumeration_variance", s.variance})
	if h.strata != nil && h.strata.built {
		terms = append(terms, Term{"spoofing", s.on.distance(s.base(c, b), s.codes, s.prior, observed)})
	}
	return do, observed, terms
}

func (n *branches) newScorer(p *pass, b *nn.Var) *scorer {
	h := n.head
	s := &scorer{branches: n, t: p.tape, on: n.onC, withB: n.settings.Heads == HeadsJoint, joint: p.epoch >= h.schedule.joint}
	if s.joint {
		s.on, s.withB = n.jointly, true
	}
	d, width := h.strata, s.on.first.Weight.Cols
	if d == nil || !d.built {
		s.codes, s.prior, s.observed = s.t.Const(1, width, make([]float32, width)), []float64{1}, []float64{1}
		return s
	}
	s.codes = s.on.partial(s.t, s.on.first.Weight.Rows-d.codeWidth(), false, s.t.Const(d.size, d.codeWidth(), d.codes()))
	s.prior = d.prior
	s.observed = d.observed(p.batch.Availability, d.contextOf(p.h, b), h.training)
	return s
}

// base is what z_c and z_b contribute to the head.
func (s *scorer) base(c, b *nn.Var) *nn.Var {
	if !s.withB {
		return s.on.partial(s.t, 0, true, c)
	}
	return s.on.partial(s.t, 0, true, c, b)
}

// own predicts with the given z_b in the rows' own strata.
func (s *scorer) own(c, b *nn.Var) []float64 {
	return s.on.mix(s.base(c, b), s.codes, s.observed).mean
}

// overStrata averages over the strata and keeps the given z_b.
func (s *scorer) overStrata(c, b *nn.Var) []float64 {
	m := s.on.mix(s.base(c, b), s.codes, s.prior)
	s.variance = m.variance
	return m.mean
}

// drop puts the training mean in the place of z_b.
func (s *scorer) drop(c *nn.Var) []float64 {
	width := len(s.saved.MeanSum)
	mean := make([]float32, width)
	if s.saved.MeanWeight > 0 {
		for j, sum := range s.saved.MeanSum {
			mean[j] = float32(sum / s.saved.MeanWeight)
		}
	}
	return s.overStrata(c, s.t.Repeat(s.t.Const(1, width, mean), c.Rows))
}

// marginal is the backdoor sum over observed proxies of the confounder: the mean
// of p(y | z_c, z_b, k) over the pool.
func (s *scorer) marginal(c *nn.Var) []float64 {
	d, width := s.head.strata, s.head.cfg.Width
	size := len(s.saved.PoolBiased) / width
	inputs := []*nn.Var{s.t.Const(size, width, s.saved.PoolBiased)}
	if d != nil {
		inputs = append(inputs, s.t.Gather(s.t.Const(d.size, d.codeWidth(), d.codes()), s.saved.PoolStrata))
	}
	m := s.on.mix(s.on.partial(s.t, 0, true, c), s.on.partial(s.t, width, false, inputs...), uniform(size))
	s.variance = m.variance
	return m.mean
}

func meanDistance(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += math.Abs(v - b[i])
	}
	return sum / float64(len(a))
}
