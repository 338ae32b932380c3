package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sweeps"
)

func newDemo(a *app) *cobra.Command {
	var workers int
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Train and compare variants on the bundled NAFLD cohort",
		Long: `Runs the sweep nafld_demo.toml that ships with the program: three backbones in
four variants on five matched seeds, on a real cohort whose modalities are missing not
at random. Then it prints the comparison. Repeating it trains nothing again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := sweeps.Shipped.ReadFile("nafld_demo.toml")
			if err != nil {
				return err
			}
			file, err := sweeps.Parse("nafld_demo.toml", text)
			if err != nil {
				return a.invalid(err)
			}
			plan, err := a.compile(cmd.Context(), file)
			if err != nil {
				return a.invalid(err)
			}
			if !a.json {
				printPlan(a.errs, plan, plan.Summarize(nil, workers))
			}
			status, err := a.runPlan(cmd.Context(), plan, workers, defaultMemory())
			if err != nil {
				return err
			}
			if status.Failed > 0 {
				return a.ended(status)
			}
			for _, test := range []string{plainTestSet, "do", "flip"} {
				request := comparison{sweep: plan.Name, test: test, resamples: defaultResamples, patterns: test == plainTestSet}
				if err := a.compare(cmd.Context(), request); err != nil {
					return err
				}
				if !a.json {
					fmt.Fprintln(a.out)
				}
			}
			if a.json {
				return nil
			}
			return a.print(nil, func(w io.Writer) { fmt.Fprint(w, howToQuery) })
		},
	}
	cmd.Flags().IntVar(&workers, "workers", defaultWorkers(), "runs trained at the same time")
	return cmd
}

const howToQuery = `The test set id is the held-out test rows as they are; do hides observed blocks at
random; flip re-weights patients so that a block's absence speaks for the other
outcome. A variant that removes missingness bias gains on do and flip and gives
up little on id. A dual branch that loses everywhere has taken signal for bias:
the mechanism that it was told of is not the one at work.

Ask your own questions in SQL, read-only. The first query ranks the predictions of
all seeds together; the tables above are means over the seeds, as in the second:

  bin/deconfound sql "select backbone, variant, pattern, auroc(score, label) from predictions group by 1, 2, 3"
  bin/deconfound sql "select backbone, variant, avg(a) from (select backbone, variant, seed, auroc(score, label) as a from predictions group by 1, 2, 3) x group by 1, 2"
  bin/deconfound sql "select backbone, variant, mean, lo, hi from leaderboard where metric = 'auroc' and split = 'test' and grp = ''"
  bin/deconfound sql --views

Compare on another metric or test set:

  bin/deconfound compare nafld-demo --metric brier --test flip

Take everything away as CSV, or look at single runs:

  bin/deconfound export nafld-demo
  bin/deconfound runs ls nafld-demo
`
