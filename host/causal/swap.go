package causal

import "github.com/deconfound/deconfound/sdk/rng"

// addSwap adds the losses of both heads with z_b, and its label, taken from
// another row (DisEnt, NeurIPS 2021). Rows with share 0 neither give nor take.
func (n *branches) addSwap(p *pass, m *parts, difficulty []float64) []Term {
	task, t, s := n.head.cfg.Task, p.tape, n.settings
	to := present(p.share)
	from := make([]int32, len(to))
	for i, at := range rng.Stream(n.head.cfg.Seed, "swap", p.step).Perm(len(to)) {
		from[i] = to[at]
	}
	onC, onB := n.heads(p, "dropout_swap", t.Gather(m.c, to), t.Gather(m.b, from), to, from)
	width := task.LabelWidth()
	shareC, shareB := make([]float64, len(to)), make([]float64, len(to))
	labelsC, labelsB := make([]float32, 0, len(to)*width), make([]float32, 0, len(to)*width)
	for i := range to {
		shareC[i] = p.share[to[i]] * difficulty[to[i]]
		shareB[i] = p.share[from[i]]
		labelsC = append(labelsC, p.batch.Labels[int(to[i])*width:(int(to[i])+1)*width]...)
		labelsB = append(labelsB, p.batch.Labels[int(from[i])*width:(int(from[i])+1)*width]...)
	}
	task.addCrossEntropyGradient(onC.Grad, onC.Value, labelsC, scaled(s.SwapWeight, shareC))
	task.addGeneralizedGradient(onB.Grad, onB.Value, labelsB, s.Q, scaled(s.SwapWeight*s.BiasWeight, shareB))
	return []Term{
		{"loss_swap_causal", weighted(shareC, task.crossEntropy(onC.Value, labelsC))},
		{"loss_swap_biased", weighted(shareB, task.generalizedCrossEntropy(onB.Value, labelsB, s.Q))},
	}
}
