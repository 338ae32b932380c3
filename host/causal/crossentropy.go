package causal

import "math"

// generalizedCrossEntropy returns GCE_q = (1 - p_y^q)/q of every row (Zhang and
// Sabuncu, NeurIPS 2018). It amplifies what is learned easily: q = 0 is the
// cross entropy, q = 1 the mean absolute error.
func (t Task) generalizedCrossEntropy(logits, labels []float32, q float64) []float64 {
	outcomes := t.logTruth(logits, labels)
	for i, l := range outcomes {
		// expm1 keeps the digits when q log p is small; NaN stays NaN.
		outcomes[i] = -math.Expm1(q*l) / q
	}
	return t.rowMeans(outcomes)
}

// addGeneralizedGradient adds the gradient of sum_i weights_i GCE_i, which is
// p_y^q times that of the cross entropy, exactly. (Published code also has
// q p_y^q, which scales the branch by q.)
func (t Task) addGeneralizedGradient(dst, logits, labels []float32, q float64, weights []float64) {
	coefficient := t.spread(weights, labels)
	for i, l := range t.logTruth(logits, labels) {
		if l == l {
			coefficient[i] *= math.Exp(q * l)
		}
	}
	t.addGradient(dst, logits, labels, coefficient)
}

// mixtureLoss is the cross entropy of an average of probabilities,
// -log sum_k prior_k p_k(y), over the logits of K strata.
type mixtureLoss struct {
	task    Task
	prior   []float64
	labels  []float32
	strata  [][]float32 // logits of each stratum
	logs    [][]float64 // log p_k(y) of every outcome
	average []float64   // log sum_k prior_k p_k(y)
}

func newMixtureLoss(task Task, prior []float64, strata [][]float32, labels []float32) *mixtureLoss {
	m := &mixtureLoss{task: task, prior: prior, labels: labels, strata: strata, average: make([]float64, len(labels))}
	for _, logits := range strata {
		m.logs = append(m.logs, task.logTruth(logits, labels))
	}
	for i := range m.average {
		top := math.Inf(-1)
		for k, logs := range m.logs {
			if prior[k] > 0 {
				top = math.Max(top, math.Log(prior[k])+logs[i])
			}
		}
		sum := 0.0
		for k, logs := range m.logs {
			if prior[k] > 0 {
				sum += math.Exp(math.Log(prior[k]) + logs[i] - top)
			}
		}
		m.average[i] = top + math.Log(sum)
	}
	return m
}

func (m *mixtureLoss) rowLoss() []float64 {
	out := m.task.rowMeans(m.average)
	for i := range out {
		out[i] = 0 - out[i]
	}
	return out
}

// addGradient adds to the gradient of stratum k that of sum_i weights_i loss_i:
// the cross entropy's, times the posterior of the stratum given y.
func (m *mixtureLoss) addGradient(dst []float32, k int, weights []float64) {
	if m.prior[k] == 0 {
		return
	}
	coefficient := m.task.spread(weights, m.labels)
	for i, l := range m.logs[k] {
		if l == l {
			coefficient[i] *= math.Exp(math.Log(m.prior[k]) + l - m.average[i])
		}
	}
	m.task.addGradient(dst, m.strata[k], m.labels, coefficient)
}
