package main

import (
	"context"
	"fmt"
	"io"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// importedComparison is what compare says of an imported sweep.
type importedComparison struct {
	Sweep    string       `json:"sweep"`
	Imported string       `json:"imported_from"`
	Baseline string       `json:"baseline"`
	Note     string       `json:"note"`
	Seeds    shown.Answer `json:"paired_seeds"` // rows of the view paired
}

// compareImported shows the view paired: all that imported runs allow.
func (a *app) compareImported(ctx context.Context, store *tracker.Store, sweep tracker.Sweep, request comparison) error {
	baseline := request.baseline
	if baseline == "" {
		baseline = sweep.Baseline
	}
	if baseline == "" {
		return withExit(exitUsage, fmt.Errorf("the imported sweep %s has no baseline; give one with --baseline", sweep.Name))
	}
	// As the view paired, whose baseline is that of the import.
	query := fmt.Sprintf(`with d as (select a.dataset, a.backbone, a.variant, a.split, a.metric, a.grp, a.lvl, a.value - b.value as difference
			from results a join results b using (sweep, owner, dataset, backbone, split, metric, grp, lvl, seed)
			where a.sweep = %s and a.owner = %s and b.variant = %s and a.variant <> b.variant
			  and a.value <> 'NaN' and b.value <> 'NaN' and (%[4]s = '' or a.metric = %[4]s))
		select dataset, backbone, variant, split, metric, grp, lvl, count(*) as seeds, avg(difference) as difference,
			avg(difference) - deconfound.t_975(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as lo,
			avg(difference) + deconfound.t_975(count(*) - 1) * stddev_samp(difference) / sqrt(count(*)) as hi
		from d group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3, 4, 5, 6, 7`,
		literal(sweep.Name), literal(sweep.Owner), literal(baseline), literal(request.metric))
	rows, err := ask(ctx, store, query)
	if err != nil {
		return err
	}
	return a.print(importedComparison{sweep.Name, sweep.Imported(), baseline, tracker.ImportedNote, rows}, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n\nsweep %s, imported from %s; minus %s\n", tracker.ImportedNote, sweep.Name, sweep.Imported(), baseline)
		printAnswer(w, rows)
	})
}
