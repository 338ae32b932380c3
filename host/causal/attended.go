package causal

import (
	"math"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// attended is the dual branch by attention, after CAL (Sui et al., KDD 2022), with
// the columns of h in the place of nodes and edges: every column is shared out
// between the branches,
//
//	a = sigmoid(W h)    z_c = a * h    z_b = (1 - a) * h
//	L = CE(C_c(z_c), y) + bias_weight KL(uniform || C_b(z_b)) + swap_weight CE(C_i(z_c + z_b'), y)
//
// where z_b' is z_b of another row: the causal branch is to suffice whatever the
// trivial one adds, and the trivial one is to say nothing of y. With strata every
// classifier is told the row's own. It predicts by C_c, over the strata.
type attended struct {
	stateless
	head              *Head
	settings          *DualBranch
	group             *group
	gate              *nn.Linear
	onC, onB, onMixed *classifier
}

func newAttended(h *Head) (*attended, []*group, error) {
	n := &attended{head: h, settings: h.cfg.DualBranch}
	cfg, width := h.cfg, h.cfg.Width
	in := width
	if h.strata != nil {
		in += h.strata.codeWidth()
	}
	var err error
	n.group, err = newGroup("attention", cfg.Optimizer, func(ps *nn.Params) {
		n.gate = nn.NewLinear(ps, "gate", width, width, rng.Stream(cfg.Seed, "init", "gate"))
		build := func(name string) *classifier {
			return newClassifier(ps, name, cfg, in, rng.Stream(cfg.Seed, "init", name))
		}
		n.onC, n.onB, n.onMixed = build("causal.classifier"), build("biased.classifier"), build("mixed.classifier")
	})
	return n, []*group{n.group}, err
}

// branches returns z_c and z_b.
func (n *attended) branches(t *nn.Tape, h *nn.Var) (c, b *nn.Var) {
	c = t.Mul(t.Sigmoid(n.gate.Apply(t, h)), h)
	return c, t.Sub(h, c)
}

// shared is what forward keeps for backward.
type shared struct{ c, b, code, onB *nn.Var }

// ownCode is that of the rows' own strata; nil without strata. It is zero in the
// warm-up.
func (h *Head) ownCode(p *pass) *nn.Var {
	d := h.strata
	switch {
	case d == nil:
		return nil
	case p.epoch < h.schedule.warmup || !d.built:
		return p.tape.Const(p.rows, d.codeWidth(), make([]float32, p.rows*d.codeWidth()))
	}
	return d.code(p.tape, p.batch.Positions)
}

func beside(x, code *nn.Var) []*nn.Var {
	if code == nil {
		return []*nn.Var{x}
	}
	return []*nn.Var{x, code}
}

func (n *attended) forward(p *pass) {
	t, h := p.tape, n.head
	m := &shared{code: h.ownCode(p)}
	m.c, m.b = n.branches(t, p.h)
	p.logits = n.onC.apply(t, h.stream("dropout", p.step), beside(m.c, m.code)...)
	m.onB = n.onB.apply(t, h.stream("dropout_biased", p.step), beside(m.b, m.code)...)
	p.rowLoss = h.cfg.Task.crossEntropy(p.logits.Value, p.batch.Labels)
	p.memory = m
}

func (n *attended) backward(p *pass) ([]Term, []*group) {
	task, labels := n.head.cfg.Task, p.batch.Labels
	m, ok := p.memory.(*shared)
	if !ok {
		panic("causal: backward without the forward of the same network")
	}
	task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, labels, p.share)
	terms := []Term{
		{"loss_causal", weighted(p.share, p.rowLoss)},
		{"loss_uniform", task.addUniform(m.onB.Grad, m.onB.Value, n.settings.BiasWeight, p.share)},
	}
	if n.settings.SwapWeight > 0 && len(present(p.share)) > 0 {
		mixed := p.tape.Add(m.c, p.tape.Gather(m.b, n.head.swapped(p)))
		logits := n.onMixed.apply(p.tape, n.head.stream("dropout_swap", p.step), beside(mixed, m.code)...)
		task.addCrossEntropyGradient(logits.Grad, logits.Value, labels, scaled(n.settings.SwapWeight, p.share))
		terms = append(terms, Term{"loss_mixed", weighted(p.share, task.crossEntropy(logits.Value, labels))})
	}
	p.tape.Backward()
	return terms, []*group{n.group}
}

// addUniform adds coefficient times the gradient of sum_i share_i KL(uniform ||
// p_i), and returns that sum. KL is over the classes, or the mean over the outcomes
// of sigmoid logits.
func (t Task) addUniform(dst, logits []float32, coefficient float64, share []float64) float64 {
	outputs, sum := t.Outputs(), 0.0
	for i, w := range share {
		if w == 0 {
			continue
		}
		c := coefficient * w
		row, grad := logits[i*outputs:(i+1)*outputs], dst[i*outputs:(i+1)*outputs]
		if t.Kind == Multiclass {
			norm, even := logSumExp(row), 1/float64(outputs)
			for j, z := range row {
				sum += w * even * (math.Log(even) + norm - float64(z))
				grad[j] += float32(c * (math.Exp(float64(z)-norm) - even))
			}
			continue
		}
		for j, z := range row {
			v := float64(z)
			sum += w / float64(outputs) * ((softplus(v)+softplus(-v))/2 - math.Ln2)
			grad[j] += float32(c / float64(outputs) * (sigmoid(v) - 0.5))
		}
	}
	return sum
}

func (n *attended) predict(p *pass) (do, observed []float64, terms []Term) {
	c, b := n.branches(p.tape, p.h)
	return n.head.predictCausal(p, n.onC, c, b)
}

// predictCausal predicts by a classifier of z_c, over the strata; before the end of
// the warm-up by the classifier as it is.
func (h *Head) predictCausal(p *pass, on *classifier, c, b *nn.Var) (do, observed []float64, terms []Term) {
	if p.epoch < h.schedule.warmup {
		base := on.partial(p.tape, 0, true, c)
		m := on.mix(base, p.tape.Const(1, base.Cols, make([]float32, base.Cols)), []float64{1})
		return m.mean, m.mean, nil
	}
	s := h.newScorer(p, on, false, b)
	observed = s.own(c, b)
	return s.overStrata(c, b), observed, s.terms(c, b, observed)
}

// swapped lists the rows of a batch with those that have a weight permuted among
// themselves.
func (h *Head) swapped(p *pass) []int32 {
	from, to := every(p.rows), present(p.share)
	for i, at := range rng.Stream(h.cfg.Seed, "swap", p.step).Perm(len(to)) {
		from[to[i]] = to[at]
	}
	return from
}

func (n *attended) needsRefresh(epoch int) bool {
	return n.head.strata != nil && n.head.strata.needsRefresh(epoch, n.head.schedule.warmup)
}

func (n *attended) refresh(_ *nn.Tape, _ int, representations []float32) {
	if d := n.head.strata; d != nil && d.fromFeatures {
		d.refresh(representations, n.head.cfg.Width)
	}
}
