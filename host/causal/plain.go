package causal

import (
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// plain is empirical risk minimisation: a classifier on h. With mask_do it is
// the availability that is intervened on, not the classifier.
type plain struct {
	stateless
	head       *Head
	group      *group
	classifier *classifier
}

func newPlain(h *Head) (*plain, []*group, error) {
	n := &plain{head: h}
	var err error
	n.group, err = newGroup("classifier", h.cfg.Optimizer, func(ps *nn.Params) {
		n.classifier = newClassifier(ps, "classifier", h.cfg, h.cfg.Width, rng.Stream(h.cfg.Seed, "init", "classifier"))
	})
	return n, []*group{n.group}, err
}

func (n *plain) forward(p *pass) {
	p.logits = n.classifier.apply(p.tape, n.head.stream("dropout", p.step), p.h)
	p.rowLoss = n.head.cfg.Task.crossEntropy(p.logits.Value, p.batch.Labels)
}

func (n *plain) backward(p *pass) ([]Term, []*group) {
	n.head.cfg.Task.addCrossEntropyGradient(p.logits.Grad, p.logits.Value, p.batch.Labels, p.share)
	p.tape.Backward()
	return []Term{{"loss_classifier", weighted(p.share, p.rowLoss)}}, []*group{n.group}
}

func (n *plain) predict(p *pass) (do, observed []float64, terms []Term) {
	logits := n.classifier.apply(p.tape, nil, p.h)
	do = make([]float64, len(logits.Value))
	n.head.cfg.Task.probabilities(do, logits.Value)
	return do, do, nil
}

// stateless is for networks without state beside parameters and dictionary.
type stateless struct{}

func (stateless) frozen(int) bool                  { return false }
func (stateless) needsRefresh(int) bool            { return false }
func (stateless) refresh(*nn.Tape, int, []float32) {}
func (stateless) state() networkState              { return networkState{} }
func (stateless) setState(networkState) error      { return nil }
