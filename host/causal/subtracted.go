package causal

import (
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// subtracted is the dual branch by subtraction, the fusion level of CaBiR
// (SJTUBME-QianLab/CaBiR):
//
//	z_b = LeakyReLU(W h)    z_c = h - sg(z_b)
//	L = (1 - w) CE(C_c(h), y) + w GCE(C_b(h), y) + CE(C_f(z_c), y)
//	  + swap_weight [(1 - w) CE(C_c(z_c + z_b'), y) + w GCE(C_b(z_c + z_b'), y')]
//
// with w = bias_weight, and z_b' and y' of another row, from swap_start on. The
// paper's code has w = 1/2, averages over all pairs of rows instead of one
// permutation, and weights the last part by how much the biased head's loss varies
// among the pairs; here that weight is a constant. With strata every classifier is
// told the row's own. It predicts by C_f, over the strata.
type subtracted struct {
	stateless
	head           *Head
	settings       *DualBranch
	group          *group
	bias           *nn.Linear
	onC, onB, last *classifier
}

func newSubtracted(h *Head) (*subtracted, []*group, error) {
	n := &subtracted{head: h, settings: h.cfg.DualBranch}
	cfg, width := h.cfg, h.cfg.Width
	in := width
	if h.strata != nil {
		in += h.strata.codeWidth()
	}
	var err error
	n.group, err = newGroup("subtraction", cfg.Optimizer, func(ps *nn.Params) {
		n.bias = nn.NewLinear(ps, "bias", width, width, rng.Stream(cfg.Seed, "init", "bias"))
		build := func(name string) *classifier {
			return newClassifier(ps, name, cfg, in, rng.Stream(cfg.Seed, "init", name))
		}
		n.onC, n.onB, n.last = build("causal.classifier"), build("biased.classifier"), build("final.classifier")
	})
	return n, []*group{n.group}, err
}

// branches returns z_c and z_b.
func (n *subtracted) branches(t *nn.Tape, h *nn.Var) (c, b *nn.Var) {
	b = t.LeakyReLU(n.bias.Apply(t, h), 0.01)
	return t.Sub(h, t.Detach(b)), b
}

// split is what forward keeps for backward.
type split struct{ c, b, code *nn.Var }

func (n *subtracted) forward(p *pass) {
	t, h := p.tape, n.head
	m := &split{code: h.ownCode(p)}
	m.c, m.b = n.branches(t, p.h)
	p.logits = n.last.apply(t, h.stream("dropout", p.step), beside(m.c, m.code)...)
	p.rowLoss = h.cfg.Task.crossEntropy(p.logits.Value, p.batch.Labels)
	p.memory = m
}

func (n *subtracted) backward(p *pass) ([]Term, []*group) {
	task, labels, s := n.head.cfg.Task, p.batch.Labels, n.settings
	m, ok := p.memory.(*split)
	if !ok {
		panic("causal: backward without the forward of the same network")
	}
	both := func(purpose string, weight float64, x *nn.Var, labelsB []float32) (onC, onB float64) {
		r := n.head.stream(purpose, p.step)
		logitsC := n.onC.apply(p.tape, r, beside(x, m.code)...)
		logitsB := n.onB.apply(p.tape, r, beside(x, m.code)...)
		task.addCrossEntropyGradient(logitsC.Grad, logitsC.Value, labels, scaled(weight*(1-s.BiasWeight), p.share))
		task.addGeneralizedGradient(logitsB.Grad, logitsB.Value, labelsB, s.Q, scaled(weight*s.BiasWeight, p.share))
		return weighted(p.share, task.crossEntropy(logitsC.Value, labels)), weighted(p.share, task.generalizedCrossEntropy(logitsB.Value, labelsB, s.Q))
	}
	task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, labels, p.share)
	whole, biased := both("dropout_whole", 1, p.h, labels)
	terms := []Term{{"loss_final", weighted(p.share, p.rowLoss)}, {"loss_whole", whole}, {"loss_biased", biased}}
	if p.epoch >= n.head.schedule.swap && len(present(p.share)) > 0 {
		from := n.head.swapped(p)
		onC, onB := both("dropout_swap", s.SwapWeight, p.tape.Add(m.c, p.tape.Gather(m.b, from)), task.rowsOf(labels, from))
		terms = append(terms, Term{"loss_swapped_causal", onC}, Term{"loss_swapped_biased", onB})
	}
	p.tape.Backward()
	return terms, []*group{n.group}
}

// rowsOf are the labels of rows.
func (t Task) rowsOf(labels []float32, rows []int32) []float32 {
	w := t.LabelWidth()
	out := make([]float32, 0, len(rows)*w)
	for _, row := range rows {
		out = append(out, labels[int(row)*w:(int(row)+1)*w]...)
	}
	return out
}

func (n *subtracted) predict(p *pass) (do, observed []float64, terms []Term) {
	c, b := n.branches(p.tape, p.h)
	return n.head.predictCausal(p, n.last, c, b)
}

func (n *subtracted) needsRefresh(epoch int) bool {
	return n.head.strata != nil && n.head.strata.needsRefresh(epoch, n.head.schedule.warmup)
}

func (n *subtracted) refresh(_ *nn.Tape, _ int, representations []float32) {
	if d := n.head.strata; d != nil && d.fromFeatures {
		d.refresh(representations, n.head.cfg.Width)
	}
}
