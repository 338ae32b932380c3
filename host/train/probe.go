package train

import (
	"context"
	"fmt"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/stats"
)

// probe adds how much of the latent confounder of generated rows can be read off
// linearly, as held-out R²: from h (confounder_r2) and from the branches, where it
// should be in z_b (confounder_r2_biased) and, as far as U moves no causal column,
// not in z_c (confounder_r2_causal).
func (r *Run) probe(ctx context.Context, values Values, set dataset.TestSet, availability []uint64) error {
	if set.Confounder == nil || len(set.Rows) == 0 {
		return nil
	}
	h, err := r.represent(ctx, set.Rows, availability)
	if err != nil {
		return fmt.Errorf("represent test set %s: %w", set.Name, err)
	}
	revealed := r.reveal(h, set.Rows, availability, availability)
	causal, biased, err := r.head.Branches(revealed)
	if err != nil {
		return fmt.Errorf("branches of test set %s: %w", set.Name, err)
	}
	for name, x := range map[string][]float32{"confounder_r2": h, "confounder_r2_causal": causal, "confounder_r2_biased": biased} {
		if x != nil {
			values[Metric{Name: name, Split: set.Name}] = stats.LinearProbe(x, len(x)/len(set.Rows), set.Confounder)
		}
	}
	return nil
}
