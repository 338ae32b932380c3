package causal

import (
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// enumeration is backdoor adjustment over strata. f([h; s_k]) is trained on each
// row's own stratum; the prediction is sum_k P_k p(y | h, s_k). In the warm-up
// the code is zero and f is a plain classifier.
type enumeration struct {
	stateless
	head       *Head
	group      *group
	classifier *classifier
}

func newEnumeration(h *Head) (*enumeration, []*group, error) {
	n := &enumeration{head: h}
	var err error
	n.group, err = newGroup("classifier", h.cfg.Optimizer, func(ps *nn.Params) {
		n.classifier = newClassifier(ps, "classifier", h.cfg, h.cfg.Width+h.strata.codeWidth(), rng.Stream(h.cfg.Seed, "init", "classifier"))
	})
	return n, []*group{n.group}, err
}

func (n *enumeration) active(epoch int) bool {
	return epoch >= n.head.schedule.warmup && n.head.strata.built
}

// summed is what forward keeps when the loss also looks at the summed output.
type summed struct {
	own    []float64
	loss   *mixtureLoss
	logits []*nn.Var
}

func (n *enumeration) forward(p *pass) {
	task, d := n.head.cfg.Task, n.head.strata
	code := p.tape.Const(p.rows, d.codeWidth(), make([]float32, p.rows*d.codeWidth()))
	if n.active(p.epoch) {
		code = d.code(p.tape, p.batch.Positions)
	}
	p.logits = n.classifier.apply(p.tape, n.head.stream("dropout", p.step), p.h, code)
	p.rowLoss = task.crossEntropy(p.logits.Value, p.batch.Labels)
	share := d.settings.DoWeight
	if share == 0 || !n.active(p.epoch) {
		return
	}
	s := &summed{own: p.rowLoss}
	codes := p.tape.Const(d.size, d.codeWidth(), d.codes())
	var strata [][]float32
	for k := range d.size {
		same := make([]int32, p.rows)
		for i := range same {
			same[i] = int32(k)
		}
		logits := n.classifier.apply(p.tape, n.head.stream("dropout", p.step), p.h, p.tape.Gather(codes, same))
		s.logits = append(s.logits, logits)
		strata = append(strata, logits.Value)
	}
	s.loss = newMixtureLoss(task, d.prior, strata, p.batch.Labels)
	p.rowLoss = s.loss.rowLoss()
	for i, own := range s.own {
		p.rowLoss[i] = (1-share)*own + share*p.rowLoss[i]
	}
	p.memory = s
}

func (n *enumeration) backward(p *pass) ([]Term, []*group) {
	task, groups := n.head.cfg.Task, []*group{n.group}
	s, ok := p.memory.(*summed)
	if !ok {
		task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, p.batch.Labels, p.share)
		p.tape.Backward()
		name := "loss_own_stratum"
		if !n.active(p.epoch) {
			name = "loss_warmup"
		}
		return []Term{{name, weighted(p.share, p.rowLoss)}}, groups
	}
	do := n.head.strata.settings.DoWeight
	task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, p.batch.Labels, scaled(1-do, p.share))
	for k, logits := range s.logits {
		s.loss.addGradient(logits.Grad, k, scaled(do, p.share))
	}
	p.tape.Backward()
	return []Term{
		{"loss_own_stratum", weighted(p.share, s.own)},
		{"loss_do", weighted(p.share, s.loss.rowLoss())},
	}, groups
}

func (n *enumeration) predict(p *pass) (do, observed []float64, terms []Term) {
	d, t := n.head.strata, p.tape
	base := n.classifier.partial(t, 0, true, p.h)
	if !n.active(p.epoch) {
		zero := t.Const(1, base.Cols, make([]float32, base.Cols))
		m := n.classifier.mix(base, zero, []float64{1})
		return m.mean, m.mean, nil
	}
	contexts := n.classifier.partial(t, n.head.cfg.Width, false, t.Const(d.size, d.codeWidth(), d.codes()))
	m := n.classifier.mix(base, contexts, d.prior)
	own := d.observed(p.batch.Availability, d.contextOf(p.h, nil), n.head.training)
	observed = n.classifier.mix(base, contexts, own).mean
	return m.mean, observed, []Term{
		{"enumeration_variance", m.variance},
		{"spoofing", n.classifier.distance(base, contexts, d.prior, observed)},
	}
}

func (n *enumeration) needsRefresh(epoch int) bool {
	return n.head.strata.needsRefresh(epoch, n.head.schedule.warmup)
}

func (n *enumeration) refresh(_ *nn.Tape, _ int, representations []float32) {
	n.head.strata.refresh(representations, n.head.cfg.Width)
}
