package causal

import "github.com/deconfound/deconfound/sdk/nn"

// network is one architecture of the head.
type network interface {
	// forward records the pass and sets p.logits and p.rowLoss.
	forward(p *pass)
	// backward adds the gradient of the objective to what forward recorded,
	// weighting row i by p.share[i], runs the tape, and returns the terms of the
	// objective and the groups to step.
	backward(p *pass) ([]Term, []*group)
	// predict returns probabilities in evaluation mode, and the terms of
	// Prediction.Terms.
	predict(p *pass) (do, observed []float64, terms []Term)
	// frozen reports whether h is given no gradient in an epoch.
	frozen(epoch int) bool
	// needsRefresh reports whether an epoch starts with Refresh.
	needsRefresh(epoch int) bool
	// refresh rebuilds what is made of the representations of the training rows.
	refresh(t *nn.Tape, epoch int, representations []float32)
	// state and setState carry what is neither parameter nor optimiser.
	state() networkState
	setState(networkState) error
}

// pass is one batch on its way through a network.
type pass struct {
	tape    *nn.Tape
	h       *nn.Var
	batch   Batch // when predicting, only Availability
	rows    int
	epoch   int
	step    uint64
	logits  *nn.Var
	rowLoss []float64
	share   []float64
	memory  any // what forward keeps for backward
	// causal and biased are the rows that lend their z_c and z_b when predicting;
	// nil is every row its own.
	causal, biased []int32
}

// lent takes both branches from the rows that lend them.
func (p *pass) lent(c, b *nn.Var) (*nn.Var, *nn.Var) {
	if p.causal != nil {
		c = p.tape.Gather(c, p.causal)
	}
	if p.biased != nil {
		b = p.tape.Gather(b, p.biased)
	}
	return c, b
}
