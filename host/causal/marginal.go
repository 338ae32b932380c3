package causal

import (
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

func (n *branches) predict(p *pass) (do, observed []float64, terms []Term) {
	h, t := n.head, p.tape
	if p.epoch < h.schedule.warmup {
		logits := n.plain.apply(t, nil, p.h)
		do = make([]float64, len(logits.Value))
		h.cfg.Task.probabilities(do, logits.Value)
		return do, do, nil
	}
	c, b := p.lent(branch(t, n.causal, p.h), branch(t, n.biased, p.h))
	// The head that the present stage trains.
	on, withB, joint := n.onC, n.settings.Heads == HeadsJoint, p.epoch >= h.schedule.joint
	if joint {
		on, withB = n.jointly, true
	}
	s := h.newScorer(p, on, withB, b)
	observed = s.own(c, b)
	if p.rows > 1 {
		terms = s.reliance(c, b, observed)
	}
	switch {
	case n.settings.Predict == PredictOwn:
		do = s.overStrata(c, b)
	case n.settings.Predict == PredictMarginal && joint && len(n.saved.PoolBiased) > 0:
		do = s.marginal(c, n.saved.PoolBiased, n.saved.PoolStrata)
	default: // also in place of the marginal until the joint head exists
		do = s.drop(c, n.mean())
	}
	return do, observed, append(terms, s.terms(c, b, observed)...)
}

// mean is the running mean of z_b.
func (n *branches) mean() []float32 {
	mean := make([]float32, len(n.saved.MeanSum))
	if n.saved.MeanWeight > 0 {
		for j, sum := range n.saved.MeanSum {
			mean[j] = float32(sum / n.saved.MeanWeight)
		}
	}
	return mean
}
