package causal

import (
	"math"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// attention adjusts inside the network, by the normalised weighted geometric
// mean (CCIM, CVPR 2023): h' = h W_h + g W_g, where g is an
// average of the dictionary's entries.
//
// In the published form g = sum_k lambda_k P_k Z_k with attention lambda =
// softmax((h W_q)(Z W_k)'/sqrt(width)), the same in training and prediction. In
// the own-stratum form a row is trained with g = Z_k(i) and predicted with g =
// sum_k P_k Z_k. In the warm-up g is 0.
type attention struct {
	stateless
	head         *Head
	group        *group
	query, key   *nn.Param // published form only
	fromH, fromG *nn.Param
	entries      *nn.Param // learnable dictionary only
	classifier   *classifier
}

func newAttention(h *Head) (*attention, []*group, error) {
	n := &attention{head: h}
	m, d := h.cfg.Missingness, h.strata
	r := rng.Stream(h.cfg.Seed, "init", "classifier")
	var err error
	n.group, err = newGroup("classifier", h.cfg.Optimizer, func(ps *nn.Params) {
		n.fromH = ps.New("h", h.cfg.Width, m.Projection, nn.KaimingUniform(r))
		n.classifier = newClassifier(ps, "classifier", h.cfg, m.Projection, r)
		n.fromG = ps.New("g", d.width, m.Projection, nn.KaimingUniform(r))
		if m.Form == Published {
			n.query = ps.New("query", h.cfg.Width, m.Attention, nn.KaimingUniform(r))
			n.key = ps.New("key", d.width, m.Attention, nn.KaimingUniform(r))
		}
		if m.Dictionary == Learnable {
			n.entries = ps.New("dictionary", d.size, d.width, nn.Normal(r, 1/math.Sqrt(float64(d.width))))
		}
	})
	return n, []*group{n.group}, err
}

func (n *attention) active(epoch int) bool {
	return epoch >= n.head.schedule.warmup && n.head.strata.built
}

// dictionary is Z [K, width]; a parameter if it is learnable, else constant.
func (n *attention) dictionary(t *nn.Tape) *nn.Var {
	if n.entries != nil {
		return t.Param(n.entries)
	}
	return t.Const(n.head.strata.size, n.head.strata.width, n.head.strata.z)
}

// attend returns g [rows, width] of the published form and the weights of the
// entries, [rows, K].
func (n *attention) attend(t *nn.Tape, h *nn.Var) (g, weights *nn.Var) {
	d, m, z := n.head.strata, n.head.cfg.Missingness, n.dictionary(t)
	scores := t.MatMulT(t.MatMul(h, t.Param(n.query)), t.MatMul(z, t.Param(n.key)))
	scores = t.Scale(scores, 1/math.Sqrt(float64(m.Attention)))
	if m.Renormalize {
		// softmax(s + log P) is lambda P / sum lambda P.
		logs := make([]float32, d.size)
		for k, p := range d.prior {
			logs[k] = float32(math.Max(math.Log(p), -1e30))
		}
		weights = t.Softmax(t.AddRow(scores, t.Const(1, d.size, logs)))
	} else {
		weights = t.MulRow(t.Softmax(scores), t.Const(1, d.size, narrow(d.prior)))
	}
	return t.MatMul(weights, z), weights
}

// classify returns the logits for a context g; nil in the warm-up.
func (n *attention) classify(p *pass, g *nn.Var, train bool) *nn.Var {
	joint := p.tape.MatMul(p.h, p.tape.Param(n.fromH))
	if g != nil {
		joint = p.tape.Add(joint, p.tape.MatMul(g, p.tape.Param(n.fromG)))
	}
	if train {
		return n.classifier.apply(p.tape, n.head.stream("dropout", p.step), joint)
	}
	return n.classifier.apply(p.tape, nil, joint)
}

func (n *attention) forward(p *pass) {
	var g *nn.Var
	switch {
	case !n.active(p.epoch):
	case n.query != nil:
		g, _ = n.attend(p.tape, p.h)
	default:
		own := make([]int32, p.rows)
		for i, position := range p.batch.Positions {
			own[i] = n.head.strata.own[position]
		}
		g = p.tape.Gather(n.dictionary(p.tape), own)
	}
	p.logits = n.classify(p, g, true)
	p.rowLoss = n.head.cfg.Task.crossEntropy(p.logits.Value, p.batch.Labels)
}

func (n *attention) backward(p *pass) ([]Term, []*group) {
	n.head.cfg.Task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, p.batch.Labels, p.share)
	p.tape.Backward()
	name := "loss_classifier"
	if !n.active(p.epoch) {
		name = "loss_warmup"
	}
	return []Term{{name, weighted(p.share, p.rowLoss)}}, []*group{n.group}
}

func (n *attention) predict(p *pass) (do, observed []float64, terms []Term) {
	score := func(g *nn.Var) []float64 {
		logits := n.classify(p, g, false)
		out := make([]float64, len(logits.Value))
		n.head.cfg.Task.probabilities(out, logits.Value)
		return out
	}
	d, t := n.head.strata, p.tape
	switch {
	case !n.active(p.epoch):
		do = score(nil)
		return do, do, nil
	case n.query != nil:
		g, weights := n.attend(t, p.h)
		do = score(g)
		return do, do, []Term{{"attention_divergence", divergence(weights, d.prior)}, {"context_norm", norm(g)}}
	}
	z := n.dictionary(t)
	mean := t.MatMul(t.Const(1, d.size, narrow(d.prior)), z)
	own := d.observed(p.batch.Availability, d.contextOf(p.h, nil), n.head.training)
	observed = score(t.MatMul(t.Const(p.rows, d.size, narrow(own)), z))
	base := n.classifier.partial(t, 0, true, t.MatMul(p.h, t.Param(n.fromH)))
	entries := n.classifier.partial(t, 0, false, t.MatMul(z, t.Param(n.fromG)))
	spoofing := n.classifier.distance(base, entries, d.prior, observed)
	return score(t.Repeat(mean, p.rows)), observed, []Term{{"context_norm", norm(mean)}, {"spoofing", spoofing}}
}

func (n *attention) needsRefresh(epoch int) bool {
	return n.head.strata.needsRefresh(epoch, n.head.schedule.warmup)
}

func (n *attention) refresh(_ *nn.Tape, _ int, representations []float32) {
	d := n.head.strata
	d.refresh(representations, n.head.cfg.Width)
	if n.entries != nil {
		copy(n.entries.Value, d.z)
		d.z = nil
	}
}

// divergence is the mean over rows of KL(weights, scaled to sum 1 || prior).
func divergence(weights *nn.Var, prior []float64) float64 {
	sum := 0.0
	for i := range weights.Rows {
		row := weights.Value[i*weights.Cols : (i+1)*weights.Cols]
		total := 0.0
		for _, w := range row {
			total += float64(w)
		}
		for k, w := range row {
			if q := float64(w) / total; q > 0 {
				sum += q * math.Log(q/prior[k])
			}
		}
	}
	return sum / float64(weights.Rows)
}

// norm is the mean Euclidean norm of the rows.
func norm(x *nn.Var) float64 {
	sum := 0.0
	for i := range x.Rows {
		square := 0.0
		for _, v := range x.Value[i*x.Cols : (i+1)*x.Cols] {
			square += float64(v) * float64(v)
		}
		sum += math.Sqrt(square)
	}
	return sum / float64(x.Rows)
}
