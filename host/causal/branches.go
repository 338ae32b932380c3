package causal

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// branches is the dual-branch network: z_c = MLP_c(h) and z_b = MLP_b(h), a
// causal head C_c and a biased head C_b (DisEnt, NeurIPS 2021; DisC, NeurIPS
// 2022), and a joint head that predicts by the backdoor sum. Its stages:
//
//	warm-up  a plain classifier on h, with missingness only
//	split    L_c + bias_weight L_b + independence_weight I(z_c; z_b)
//	swap     and swap_weight times both losses with z_b from another row
//	joint    and the joint head J([z_c; z_b; s_k]) on own pairs, detached
//
// With strata every head is told the row's own: what the pattern says of y then
// need not go through z_c, which no later head could take out again.
type branches struct {
	head     *Head
	settings *DualBranch

	warmup, split, joint *group

	plain          *classifier // of the warm-up
	causal, biased [2]*nn.Linear
	onC, onB       *classifier
	jointly        *classifier
	penalty        penalty

	saved networkState
}

// largestDifficulty bounds a balanced difficulty weight, whose mean is 1.
const largestDifficulty = 3

// meanDecay is the weight of the past in the running mean of z_b, a step.
const meanDecay = 0.99

func newBranches(h *Head) (*branches, []*group, error) {
	n := &branches{head: h, settings: h.cfg.DualBranch}
	n.saved.MeanSum = make([]float64, h.cfg.Width)
	cfg, seed, width := h.cfg, h.cfg.Seed, h.cfg.Width
	var groups []*group
	add := func(name string, build func(ps *nn.Params)) (*group, error) {
		g, err := newGroup(name, cfg.Optimizer, build)
		groups = append(groups, g)
		return g, err
	}
	var err error
	if h.schedule.warmup > 0 {
		if n.warmup, err = add("warmup", func(ps *nn.Params) {
			n.plain = newClassifier(ps, "classifier", cfg, width, rng.Stream(seed, "init", "classifier"))
		}); err != nil {
			return nil, nil, err
		}
	}
	if n.split, err = add("branches", func(ps *nn.Params) {
		in := width + n.codeWidth()
		if n.settings.Heads == HeadsJoint {
			in += width
		}
		n.causal = newBranch(ps, "causal", width, seed)
		n.biased = newBranch(ps, "biased", width, seed)
		n.onC = newClassifier(ps, "causal.classifier", cfg, in, rng.Stream(seed, "init", "causal.classifier"))
		n.onB = newClassifier(ps, "biased.classifier", cfg, in, rng.Stream(seed, "init", "biased.classifier"))
	}); err != nil {
		return nil, nil, err
	}
	if h.schedule.joint != never {
		in := 2*width + n.codeWidth()
		if n.joint, err = add("joint", func(ps *nn.Params) {
			n.jointly = newClassifier(ps, "joint", cfg, in, rng.Stream(seed, "init", "joint"))
		}); err != nil {
			return nil, nil, err
		}
	}
	switch n.settings.Independence {
	case IndependenceHSIC:
		n.penalty = newHSIC()
	case IndependenceOrthogonal:
		n.penalty = orthogonality{}
	case IndependenceVCLUB:
		v, err := newVCLUB(cfg)
		if err != nil {
			return nil, nil, err
		}
		n.penalty = v
		groups = append(groups, v.group)
	}
	return n, groups, nil
}

func newBranch(ps *nn.Params, name string, width int, seed uint64) [2]*nn.Linear {
	r := rng.Stream(seed, "init", name)
	return [2]*nn.Linear{
		nn.NewLinear(ps, name+".1", width, width, r),
		nn.NewLinear(ps, name+".2", width, width, r),
	}
}

// branch is Linear-ReLU-Linear.
func branch(t *nn.Tape, layers [2]*nn.Linear, h *nn.Var) *nn.Var {
	return layers[1].Apply(t, t.ReLU(layers[0].Apply(t, h)))
}

// parts is what forward keeps for backward.
type parts struct {
	c, b         *nn.Var // z_c and z_b
	onC, onB     *nn.Var // logits of either head on own pairs
	lossC, lossB []float64
}

// codeWidth is the number of columns that tell a head its stratum.
func (n *branches) codeWidth() int {
	if n.head.strata == nil {
		return 0
	}
	return n.head.strata.codeWidth()
}

// code returns the codes of the batch rows' own strata; [rows, 0] without strata.
func (n *branches) code(p *pass, rows []int32) *nn.Var {
	if n.head.strata == nil {
		return p.tape.Const(len(rows), 0, nil)
	}
	positions := make([]int32, len(rows))
	for i, row := range rows {
		positions[i] = p.batch.Positions[row]
	}
	return n.head.strata.code(p.tape, positions)
}

// heads returns the logits of both heads for z_c of rows to and z_b of rows
// from, each with the stratum of the row it judges.
func (n *branches) heads(p *pass, purpose string, c, b *nn.Var, to, from []int32) (onC, onB *nn.Var) {
	t, r := p.tape, n.head.stream(purpose, p.step)
	codeC, codeB := n.code(p, to), n.code(p, from)
	if n.settings.Heads == HeadsSeparate {
		return n.onC.apply(t, r, c, codeC), n.onB.apply(t, r, b, codeB)
	}
	return n.onC.apply(t, r, c, t.Detach(b), codeC), n.onB.apply(t, r, t.Detach(c), b, codeB)
}

func (n *branches) forward(p *pass) {
	h, t, labels := n.head, p.tape, p.batch.Labels
	if p.epoch < h.schedule.warmup {
		p.logits = n.plain.apply(t, h.stream("dropout", p.step), p.h)
		p.rowLoss = h.cfg.Task.crossEntropy(p.logits.Value, labels)
		return
	}
	m := &parts{c: branch(t, n.causal, p.h), b: branch(t, n.biased, p.h)}
	p.memory = m
	if !n.frozen(p.epoch) {
		m.onC, m.onB = n.heads(p, "dropout", m.c, m.b, every(p.rows), every(p.rows))
		m.lossC = h.cfg.Task.crossEntropy(m.onC.Value, labels)
		m.lossB = h.cfg.Task.crossEntropy(m.onB.Value, labels)
		p.logits, p.rowLoss = m.onC, m.lossC
	}
	if p.epoch >= h.schedule.joint {
		p.logits = n.jointly.apply(t, h.stream("dropout_joint", p.step), t.Detach(m.c), t.Detach(m.b), n.code(p, every(p.rows)))
		p.rowLoss = h.cfg.Task.crossEntropy(p.logits.Value, labels)
	}
}

// frozen reports whether only the joint head is trained.
func (n *branches) frozen(epoch int) bool {
	return n.settings.Freeze && epoch >= n.head.schedule.joint
}

func (n *branches) backward(p *pass) ([]Term, []*group) {
	task, labels := n.head.cfg.Task, p.batch.Labels
	m, split := p.memory.(*parts)
	if !split {
		task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, labels, p.share)
		p.tape.Backward()
		return []Term{{"loss_warmup", weighted(p.share, p.rowLoss)}}, []*group{n.warmup}
	}
	var terms []Term
	var step []*group
	if !n.frozen(p.epoch) {
		terms = n.addSplit(p, m)
		step = append(step, n.split)
	}
	if p.epoch >= n.head.schedule.joint {
		task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, labels, p.share)
		terms = append(terms, Term{"loss_joint", weighted(p.share, p.rowLoss)})
		step = append(step, n.joint)
	}
	n.track(m.b.Value, p.share)
	p.tape.Backward()
	return terms, step
}

// addSplit adds the gradients of the objective of the two branches.
func (n *branches) addSplit(p *pass, m *parts) []Term {
	task, labels, s := n.head.cfg.Task, p.batch.Labels, n.settings
	difficulty := relativeDifficulty(m.lossC, m.lossB)
	if s.Difficulty == DifficultyClass {
		difficulty = balanced(difficulty, labels, p.share)
	}
	hard := product(p.share, difficulty)
	task.addCrossEntropyGradient(m.onC.Grad, m.onC.Value, labels, hard)
	task.addGeneralizedGradient(m.onB.Grad, m.onB.Value, labels, s.Q, scaled(s.BiasWeight, p.share))
	terms := []Term{
		{"loss_causal", weighted(hard, m.lossC)},
		{"loss_biased", weighted(p.share, task.generalizedCrossEntropy(m.onB.Value, labels, s.Q))},
		{"difficulty", weighted(p.share, difficulty)},
	}
	if p.epoch >= n.head.schedule.swap && len(present(p.share)) > 0 {
		terms = append(terms, n.addSwap(p, m, difficulty)...)
	}
	if n.penalty != nil && s.IndependenceWeight > 0 {
		value := n.penalty.apply(m.c.Value, m.b.Value, m.c.Cols, p.share, s.IndependenceWeight, m.c.Grad, m.b.Grad)
		terms = append(terms, Term{"dependence", value})
	}
	return terms
}

// relativeDifficulty is W = CE_b / (CE_c + CE_b), high where the biased head
// fails (LfF, NeurIPS 2020). It is used as a constant.
func relativeDifficulty(lossC, lossB []float64) []float64 {
	out := make([]float64, len(lossC))
	for i := range out {
		out[i] = lossB[i] / (lossC[i] + lossB[i] + 1e-8)
	}
	return out
}

// balanced divides each weight by the mean of its class, so that within a class
// hard rows weigh more and between classes nothing changes. The biased head of a
// rare class fails on all of its rows; with plain weights they would outweigh the
// common class, and the causal head would learn the rare one only. No row counts
// more than largestDifficulty times the mean: as the branches part, a few rows
// would otherwise take over their class.
func balanced(difficulty []float64, labels []float32, share []float64) []float64 {
	sum, total := map[float32]float64{}, map[float32]float64{}
	for i, d := range difficulty {
		sum[labels[i]] += share[i] * d
		total[labels[i]] += share[i]
	}
	out := make([]float64, len(difficulty))
	for i, d := range difficulty {
		if share[i] > 0 {
			out[i] = min(d/(sum[labels[i]]/total[labels[i]]+1e-8), largestDifficulty)
		}
	}
	return out
}

// track updates the running mean of z_b with a batch.
func (n *branches) track(b []float32, share []float64) {
	rows := present(share)
	if len(rows) == 0 {
		return
	}
	width := len(n.saved.MeanSum)
	for j := range n.saved.MeanSum {
		mean := 0.0
		for _, i := range rows {
			mean += share[i] * float64(b[int(i)*width+j])
		}
		n.saved.MeanSum[j] = meanDecay*n.saved.MeanSum[j] + (1-meanDecay)*mean
	}
	n.saved.MeanWeight = meanDecay*n.saved.MeanWeight + (1 - meanDecay)
}

// every lists the rows of a batch.
func every(rows int) []int32 {
	out := make([]int32, rows)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

func (n *branches) state() networkState { return n.saved }

func (n *branches) setState(s networkState) error {
	if len(s.MeanSum) != n.head.cfg.Width {
		return fmt.Errorf("the mean of z_b has %d values, want %d", len(s.MeanSum), n.head.cfg.Width)
	}
	n.saved = s
	return nil
}
