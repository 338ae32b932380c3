package causal

import (
	"math"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// refreshRows is how many representations are turned into z_b at a time.
const refreshRows = 1024

func (n *branches) needsRefresh(epoch int) bool {
	h := n.head
	if h.strata != nil && h.strata.needsRefresh(epoch, h.schedule.joint) {
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
	if epoch < h.schedule.joint {
		return
	}
	if d := h.strata; d != nil && d.fromFeatures {
		rows := representations
		if d.settings.Dictionary == KMeans && d.settings.Context == ContextBiased {
			rows = n.biasedParts(t, representations)
		}
		d.refresh(rows, h.cfg.Width)
	}
	if n.settings.Predict != PredictMarginal {
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

// scorer predicts for one batch with what the present stage has trained.
type scorer struct {
	*branches
	p        *pass
	joint    bool
	codes    *nn.Var   // what the strata contribute to the joint head, [K, hidden]
	prior    []float64 // of the strata; {1} without
	observed []float64 // of the strata for each row, [rows * K]
	variance float64
}

func (n *branches) predict(p *pass, use *usage) (do, observed []float64) {
	h, t := n.head, p.tape
	if p.epoch < h.schedule.warmup {
		logits := n.plain.apply(t, nil, p.h)
		do = make([]float64, len(logits.Value))
		h.cfg.Task.probabilities(do, logits.Value)
		return do, do
	}
	c, b := branch(t, n.causal, p.h), branch(t, n.biased, p.h)
	s := n.newScorer(p, b)
	observed = s.own(c, b)
	if p.rows > 1 {
		next := make([]int32, p.rows)
		for i := range next {
			next[i] = int32((i + 1) % p.rows)
		}
		use.add("causal_reliance", meanDistance(observed, s.own(t.Gather(c, next), b)), p.rows)
		use.add("spurious_reliance", meanDistance(observed, s.own(c, t.Gather(b, next))), p.rows)
	}
	switch n.settings.Predict {
	case PredictOwn:
		do = s.ownOverStrata(c, b)
	case PredictDrop:
		do = s.drop(c)
	default:
		do = s.marginal(c)
	}
	if s.joint {
		use.add("enumeration_variance", s.variance, p.rows)
	}
	return do, observed
}

func (n *branches) newScorer(p *pass, b *nn.Var) *scorer {
	h, t := n.head, p.tape
	s := &scorer{branches: n, p: p, joint: p.epoch >= h.schedule.joint && (h.strata == nil || h.strata.built)}
	if n.settings.Predict == PredictMarginal && len(n.saved.PoolBiased) == 0 {
		s.joint = false
	}
	if !s.joint {
		return s
	}
	width := n.jointly.first.Weight.Cols
	s.codes, s.prior, s.observed = t.Const(1, width, make([]float32, width)), []float64{1}, []float64{1}
	if d := h.strata; d != nil {
		s.codes = n.jointly.partial(t, 2*h.cfg.Width, false, t.Const(d.size, d.codeWidth(), d.codes()))
		s.prior = d.prior
		s.observed = d.observed(p.batch.Availability, d.contextOf(p.h, b), h.training)
	}
	return s
}

// own predicts with the rows' own z_b in their own strata.
func (s *scorer) own(c, b *nn.Var) []float64 {
	if !s.joint {
		return s.causalHead(c, b)
	}
	return s.jointly.mix(s.jointly.partial(s.p.tape, 0, true, c, b), s.codes, s.observed).mean
}

// ownOverStrata averages over strata and keeps the rows' own z_b.
func (s *scorer) ownOverStrata(c, b *nn.Var) []float64 {
	if !s.joint {
		return s.causalHead(c, b)
	}
	m := s.jointly.mix(s.jointly.partial(s.p.tape, 0, true, c, b), s.codes, s.prior)
	s.variance = m.variance
	return m.mean
}

// drop puts the training mean in the place of z_b and averages over strata.
func (s *scorer) drop(c *nn.Var) []float64 {
	width := len(s.saved.MeanSum)
	mean := make([]float32, width)
	if s.saved.MeanWeight > 0 {
		for j, sum := range s.saved.MeanSum {
			mean[j] = float32(sum / s.saved.MeanWeight)
		}
	}
	return s.ownOverStrata(c, s.p.tape.Repeat(s.p.tape.Const(1, width, mean), c.Rows))
}

// marginal is the backdoor sum over observed proxies of the confounder: the mean
// of p(y | z_c, z_b, k) over the pool. Before the joint head exists it is drop.
func (s *scorer) marginal(c *nn.Var) []float64 {
	if !s.joint {
		return s.drop(c)
	}
	t, d, width := s.p.tape, s.head.strata, s.head.cfg.Width
	size := len(s.saved.PoolBiased) / width
	inputs := []*nn.Var{t.Const(size, width, s.saved.PoolBiased)}
	if d != nil {
		inputs = append(inputs, t.Gather(t.Const(d.size, d.codeWidth(), d.codes()), s.saved.PoolStrata))
	}
	m := s.jointly.mix(s.jointly.partial(t, 0, true, c), s.jointly.partial(t, width, false, inputs...), uniform(size))
	s.variance = m.variance
	return m.mean
}

// causalHead is C_c.
func (s *scorer) causalHead(c, b *nn.Var) []float64 {
	inputs := []*nn.Var{c}
	if s.settings.Heads == HeadsJoint {
		inputs = append(inputs, b)
	}
	logits := s.onC.apply(s.p.tape, nil, inputs...)
	out := make([]float64, len(logits.Value))
	s.head.cfg.Task.probabilities(out, logits.Value)
	return out
}

func meanDistance(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += math.Abs(v - b[i])
	}
	return sum / float64(len(a))
}
