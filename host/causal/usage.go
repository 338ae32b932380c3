package causal

import "math"

// usage collects how predictions came about since the last Forward or Restore.
type usage struct {
	rows  float64
	terms []Term // sums over rows, in order of first use
}

// add records a mean over a batch of rows.
func (u *usage) add(name string, mean float64, rows int) {
	for i := range u.terms {
		if u.terms[i].Name == name {
			u.terms[i].Value += mean * float64(rows)
			return
		}
	}
	u.terms = append(u.terms, Term{Name: name, Value: mean * float64(rows)})
}

// Diagnostics describes the head: what it adjusts over, and what the adjustment
// did to the rows predicted since the last Forward or Restore.
//
//   - strata, merged_patterns: size of the dictionary, and how many patterns of
//     the training rows are too rare for a stratum of their own
//   - prior_entropy: of the prior over strata, in nats
//   - enumeration_variance: mean over rows of Var_k p_k(x), weighted by the prior;
//     0 means that the dictionary is inert
//   - attention_divergence: mean KL(attention times prior, renormalised || prior)
//     of nwgm; 0 means that attention ignores x
//   - context_norm: mean norm of the attended dictionary g of nwgm
//   - causal_reliance, spurious_reliance: mean change of the prediction with the
//     row's own z_b when z_c, or z_b, is taken from another row
func (h *Head) Diagnostics() []Term {
	var out []Term
	if d := h.strata; d != nil {
		out = append(out,
			Term{"strata", float64(d.size)},
			Term{"merged_patterns", float64(d.patterns.merged)})
		if d.prior != nil {
			out = append(out, Term{"prior_entropy", entropy(d.prior)})
		}
	}
	for _, t := range h.usage.terms {
		out = append(out, Term{t.Name, t.Value / h.usage.rows})
	}
	return out
}

func entropy(p []float64) float64 {
	sum := 0.0
	for _, v := range p {
		if v > 0 {
			sum -= v * math.Log(v)
		}
	}
	return sum
}
