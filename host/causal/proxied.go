package causal

import (
	"slices"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// proxied is the head of the availability-guided split. The biased part b of a row
// is given: it is read off the features and needs no learning, and the backbone
// sees features that it was erased from. So one classifier J([h; b; s_k]) is
// trained on own pairs from the first epoch on, and what b and the stratum say
// about y need not go through h. It predicts by the backdoor sum over (b, k) in
// training rows, as observed proxies of the confounder; or with the row's own b,
// which is no adjustment. In the warm-up b and the code are zero.
//
// With DualBranch.At head the backbone sees everything, and h says of the
// confounder what b says. Which of the two the classifier reads it from decides
// whether the sum over b adjusts for anything. So h is closed at first, zero to the
// classifier and without gradient to the backbone, until J(0; b; s_k) has learned
// what b and the stratum say of y; when h is opened, only what they do not say is
// left to learn from it.
type proxied struct {
	stateless
	head       *Head
	group      *group
	classifier *classifier
	pool       []int // positions of the training rows of the sum
}

func newProxied(h *Head) (*proxied, []*group, error) {
	n := &proxied{head: h}
	total := len(h.training.Availability)
	n.pool = rng.Stream(h.cfg.Seed, "pool").Perm(total)[:min(h.cfg.DualBranch.Pool, total)]
	in := h.cfg.Width
	if h.strata != nil {
		in += h.strata.codeWidth()
	}
	var err error
	n.group, err = newGroup("joint", h.cfg.Optimizer, func(ps *nn.Params) {
		n.classifier = newClassifier(ps, "joint", h.cfg, in, rng.Stream(h.cfg.Seed, "init", "joint"))
	})
	return n, []*group{n.group}, err
}

// parts returns h and b of a pass.
func (n *proxied) parts(p *pass) (h, b *nn.Var) {
	at := n.head.cfg.Width - n.head.cfg.Biased
	return p.tape.Slice(p.h, 0, at), p.tape.Slice(p.h, at, n.head.cfg.Width)
}

// frozen reports that h is closed.
func (n *proxied) frozen(epoch int) bool { return epoch < n.head.schedule.lead }

func (n *proxied) active(epoch int) bool { return epoch >= n.head.schedule.warmup }

func (n *proxied) forward(p *pass) {
	t, d := p.tape, n.head.strata
	h, b := n.parts(p)
	if !n.active(p.epoch) {
		b = t.Const(p.rows, b.Cols, make([]float32, p.rows*b.Cols))
	}
	if n.frozen(p.epoch) {
		h = t.Const(p.rows, h.Cols, make([]float32, p.rows*h.Cols))
	}
	inputs := []*nn.Var{h, b}
	switch {
	case d == nil:
	case n.active(p.epoch) && d.built:
		inputs = append(inputs, d.code(t, p.batch.Positions))
	default:
		inputs = append(inputs, t.Const(p.rows, d.codeWidth(), make([]float32, p.rows*d.codeWidth())))
	}
	p.logits = n.classifier.apply(t, n.head.stream("dropout", p.step), inputs...)
	p.rowLoss = n.head.cfg.Task.crossEntropy(p.logits.Value, p.batch.Labels)
}

func (n *proxied) backward(p *pass) ([]Term, []*group) {
	n.head.cfg.Task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, p.batch.Labels, p.share)
	p.tape.Backward()
	name := "loss_joint"
	if !n.active(p.epoch) {
		name = "loss_warmup"
	}
	return []Term{{name, weighted(p.share, p.rowLoss)}}, []*group{n.group}
}

func (n *proxied) predict(p *pass) (do, observed []float64, terms []Term) {
	t := p.tape
	h, b := p.lent(n.parts(p))
	if !n.active(p.epoch) {
		base := n.classifier.partial(t, 0, true, h)
		m := n.classifier.mix(base, t.Const(1, base.Cols, make([]float32, base.Cols)), []float64{1})
		return m.mean, m.mean, nil
	}
	if n.frozen(p.epoch) {
		h = t.Const(p.rows, h.Cols, make([]float32, p.rows*h.Cols))
	}
	s := n.head.newScorer(p, n.classifier, true, b)
	observed = s.own(h, b)
	if p.rows > 1 {
		terms = s.reliance(h, b, observed)
	}
	switch n.head.cfg.DualBranch.Predict {
	case PredictOwn:
		do = s.overStrata(h, b)
	case PredictDrop:
		do = s.drop(h, make([]float32, b.Cols)) // the training mean of b is zero
	default:
		do = n.marginal(s, h)
	}
	return do, observed, slices.Concat(terms, s.terms(h, b, observed))
}

// marginal is the backdoor sum over the pool.
func (n *proxied) marginal(s *scorer, h *nn.Var) []float64 {
	width, d := n.head.cfg.Biased, n.head.strata
	var biased []float32
	var strata []int32
	for _, i := range n.pool {
		biased = append(biased, n.head.training.Biased[i*width:(i+1)*width]...)
		if d != nil {
			strata = append(strata, d.own[i])
		}
	}
	return s.marginal(h, biased, strata)
}

func (n *proxied) needsRefresh(epoch int) bool {
	return n.head.strata != nil && n.head.strata.needsRefresh(epoch, n.head.schedule.warmup)
}

func (n *proxied) refresh(_ *nn.Tape, _ int, representations []float32) {
	if d := n.head.strata; d != nil && d.fromFeatures {
		d.refresh(representations, n.head.cfg.Width)
	}
}
