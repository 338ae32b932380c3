package causal

import (
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk/nn"
)

// scorer predicts for one batch with a classifier on [c; b; s_k], or on [c; s_k]:
// the causal part, the biased part and the code of the stratum, if there are
// strata.
type scorer struct {
	head     *Head
	t        *nn.Tape
	on       *classifier
	withB    bool      // on also sees b
	codes    *nn.Var   // what the strata contribute to on, [K, hidden]; one row of zeros without
	prior    []float64 // of the strata; {1} without
	observed []float64 // of the strata for each row, [rows * K]; {1} without
	variance float64   // over what was averaged
}

func (h *Head) newScorer(p *pass, on *classifier, withB bool, b *nn.Var) *scorer {
	s := &scorer{head: h, t: p.tape, on: on, withB: withB}
	d, width := h.strata, on.first.Weight.Cols
	if d == nil || !d.built {
		s.codes, s.prior, s.observed = s.t.Const(1, width, make([]float32, width)), []float64{1}, []float64{1}
		return s
	}
	s.codes = on.partial(s.t, on.first.Weight.Rows-d.codeWidth(), false, s.t.Const(d.size, d.codeWidth(), d.codes()))
	s.prior = d.prior
	s.observed = d.observed(p.batch.Availability, d.contextOf(p.h, b), h.training)
	return s
}

// base is what c and b contribute to the classifier.
func (s *scorer) base(c, b *nn.Var) *nn.Var {
	if !s.withB {
		return s.on.partial(s.t, 0, true, c)
	}
	return s.on.partial(s.t, 0, true, c, b)
}

// own predicts with the given b in the rows' own strata.
func (s *scorer) own(c, b *nn.Var) []float64 {
	return s.on.mix(s.base(c, b), s.codes, s.observed).mean
}

// overStrata averages over the strata and keeps the given b.
func (s *scorer) overStrata(c, b *nn.Var) []float64 {
	m := s.on.mix(s.base(c, b), s.codes, s.prior)
	s.variance = m.variance
	return m.mean
}

// drop puts the training mean in the place of b.
func (s *scorer) drop(c *nn.Var, mean []float32) []float64 {
	return s.overStrata(c, s.t.Repeat(s.t.Const(1, len(mean), mean), c.Rows))
}

// marginal is the backdoor sum over observed proxies of the confounder: the mean
// of p(y | c, b, k) over pairs of training rows, biased [J, width of b] and strata
// [J], which is not read without strata.
func (s *scorer) marginal(c *nn.Var, biased []float32, strata []int32) []float64 {
	d, width := s.head.strata, s.on.first.Weight.Rows-c.Cols
	if d != nil {
		width -= d.codeWidth()
	}
	size := len(biased) / width
	inputs := []*nn.Var{s.t.Const(size, width, biased)}
	if d != nil {
		inputs = append(inputs, s.t.Gather(s.t.Const(d.size, d.codeWidth(), d.codes()), strata))
	}
	m := s.on.mix(s.on.partial(s.t, 0, true, c), s.on.partial(s.t, c.Cols, false, inputs...), uniform(size))
	s.variance = m.variance
	return m.mean
}

// reliance is the change of the observed prediction when c, or b, is taken from
// the next row.
func (s *scorer) reliance(c, b *nn.Var, observed []float64) []Term {
	next := slices.Concat(every(c.Rows)[1:], []int32{0})
	return []Term{
		{"causal_reliance", meanDistance(observed, s.own(s.t.Gather(c, next), b))},
		{"spurious_reliance", meanDistance(observed, s.own(c, s.t.Gather(b, next)))},
	}
}

// terms say what the adjustment did; see Prediction.
func (s *scorer) terms(c, b *nn.Var, observed []float64) []Term {
	out := []Term{{"enumeration_variance", s.variance}}
	if d := s.head.strata; d != nil && d.built {
		out = append(out, Term{"spoofing", s.on.distance(s.base(c, b), s.codes, s.prior, observed)})
	}
	return out
}

func meanDistance(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += math.Abs(v - b[i])
	}
	return sum / float64(len(a))
}
