//go:build measure

package causal

import (
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// subtracted is the fusion level of CaBiR (SJTUBME-QianLab/CaBiR) with equal
// weights and one permutation: z_b = LeakyReLU(W h), z_c = h - sg(z_b), and
//
//	L = (CE(F_c(h), y) + GCE(F_b(h), y))/2 + CE(F(z_c), y)
//	  + (CE(F_c(z_c + z_b'), y) + GCE(F_b(z_c + z_b'), y'))/2    from a third of training on
//
// where z_b' and y' are of another row. It predicts by F.
type subtracted struct {
	stateless
	head          *Head
	group         *group
	bias          *nn.Linear
	onC, onB, end *nn.Linear
}

func newSubtracted(h *Head) (network, []*group, error) {
	n := &subtracted{head: h}
	width := h.cfg.Width
	var err error
	n.group, err = newGroup("cabir", h.cfg.Optimizer, func(ps *nn.Params) {
		r := rng.Stream(h.cfg.Seed, "init", "cabir")
		n.bias = nn.NewLinear(ps, "bias", width, width, r)
		n.onC, n.onB, n.end = nn.NewLinear(ps, "causal", width, 1, r), nn.NewLinear(ps, "biased", width, 1, r), nn.NewLinear(ps, "final", width, 1, r)
	})
	return n, []*group{n.group}, err
}

func (n *subtracted) parts(t *nn.Tape, h *nn.Var) (c, b *nn.Var) {
	b = t.LeakyReLU(n.bias.Apply(t, h), 0.01)
	return t.Sub(h, t.Detach(b)), b
}

func (n *subtracted) forward(p *pass) {
	c, _ := n.parts(p.tape, p.h)
	p.logits = n.end.Apply(p.tape, c)
	p.rowLoss = n.head.cfg.Task.crossEntropy(p.logits.Value, p.batch.Labels)
}

func (n *subtracted) backward(p *pass) ([]Term, []*group) {
	const q = 0.7
	t, task, labels := p.tape, n.head.cfg.Task, p.batch.Labels
	half := scaled(0.5, p.share)
	both := func(x *nn.Var, labelsB []float32) {
		onC, onB := n.onC.Apply(t, x), n.onB.Apply(t, x)
		task.addCrossEntropyGradient(onC.Grad, onC.Value, labels, half)
		task.addGeneralizedGradient(onB.Grad, onB.Value, labelsB, q, half)
	}
	c, b := n.parts(t, p.h)
	both(p.h, labels)
	if p.epoch >= n.head.cfg.Epochs/3 {
		from, swapped := make([]int32, p.rows), make([]float32, p.rows)
		for i, at := range rng.Stream(n.head.cfg.Seed, "swap", p.step).Perm(p.rows) {
			from[i], swapped[i] = int32(at), labels[at]
		}
		both(t.Add(c, t.Gather(b, from)), swapped)
	}
	task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, labels, p.share)
	t.Backward()
	return nil, []*group{n.group}
}

func (n *subtracted) predict(p *pass) (do, observed []float64, terms []Term) {
	c, _ := n.parts(p.tape, p.h)
	do = make([]float64, p.rows)
	n.head.cfg.Task.probabilities(do, n.end.Apply(p.tape, c).Value)
	return do, do, nil
}
