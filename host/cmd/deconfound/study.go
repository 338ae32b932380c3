package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// shippedStudy is the sweep of the study command.
const shippedStudy = "mm_conf_study.toml"

// The test set of the study on which errors are measured, and those whose AUROC
// stands beside them.
const studyTest = "do"

var studyRankings = []string{"test", "do", "flip"}

// study is what the study command answers.
type study struct {
	Sweep string `json:"sweep"`
	// Resamples are those of the intervals of differences.
	Resamples int          `json:"resamples"`
	Rows      []studyRow   `json:"rows"`
	Checks    []studyCheck `json:"checks"`
	// Caveats are those of compare: what was not registered, what is missing.
	Caveats []string `json:"caveats,omitempty"`
}

// studyRow is a cell.
type studyRow struct {
	Dataset  string `json:"dataset"`
	Scenario string `json:"scenario"`
	Backbone string `json:"backbone"`
	Variant  string `json:"variant"`
	// IRMSE on the do rows, with Student's t interval over the dataset seeds, and
	// its difference to the baseline with that of the two-level bootstrap.
	IRMSE      stats.Interval    `json:"irmse"`
	Difference *stats.Difference `json:"difference,omitempty"`
	// AUROC follows studyRankings, means over the seeds.
	AUROC []stats.Number `json:"auroc"`
	// Seeds and PerSeed are the dataset seeds and their IRMSE.
	Seeds   []int64        `json:"seeds"`
	PerSeed []stats.Number `json:"per_seed"`
}

func newStudy(a *app) *cobra.Command {
	var workers, resamples int
	var memory memoryLimit
	var markdown, csv string
	cmd := &cobra.Command{
		Use:   "study [SWEEP.toml]",
		Short: "Measure MD and DB against known causal truth",
		Long: `Runs the sweep mm_conf_study.toml that ships with the program: both components on
and off over the eight scenarios of MM-CONF, with learned splits, on five datasets
each. Then it prints the error against P(Y | do(x)) of every cell beside the AUROCs
that rank them, and checks line by line what must hold. Repeating it trains nothing
again. Name a copy of the sweep with fewer scenarios or backbones to run a part; what
it shares with the whole is trained once.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := studyFile(args)
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
			status, err := a.runPlan(cmd.Context(), plan, workers, memory)
			if err != nil {
				return err
			}
			if status.Failed > 0 {
				return a.ended(status)
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			result, err := readStudy(cmd.Context(), store, plan, resamples)
			if err != nil {
				return err
			}
			if err := errors.Join(writeTable(markdown, result, table.Writer.RenderMarkdown), writeTable(csv, result, table.Writer.RenderCSV)); err != nil {
				return err
			}
			return a.print(result, func(w io.Writer) { printStudy(w, result) })
		},
	}
	cmd.Flags().IntVar(&workers, "workers", defaultWorkers(), "runs trained at the same time")
	addMemory(cmd, &memory)
	cmd.Flags().IntVar(&resamples, "resamples", 1000, "bootstrap resamples of the differences")
	cmd.Flags().StringVar(&markdown, "markdown", "", "also write the tables to this file, as Markdown")
	cmd.Flags().StringVar(&csv, "csv", "", "also write the tables to this file, as CSV")
	return cmd
}

func studyFile(args []string) (*sweeps.File, error) {
	if len(args) > 0 {
		return sweeps.Load(args[0])
	}
	text, err := sweeps.Shipped.ReadFile(shippedStudy)
	if err != nil {
		return nil, err
	}
	return sweeps.Parse(shippedStudy, text)
}

// readStudy gathers what the tracker has of a finished study.
func readStudy(ctx context.Context, store *tracker.Store, plan *sweeps.Plan, resamples int) (study, error) {
	result, err := compareSweep(ctx, store, comparison{sweep: plan.Name, test: studyTest, metric: string(stats.MetricIRMSE), resamples: resamples})
	if err != nil {
		return study{}, err
	}
	s := study{Sweep: plan.Name, Resamples: resamples, Caveats: slices.Concat(result.Caveats, result.Notes)}
	scenarios := map[string]string{}
	for _, c := range plan.Cells {
		scenarios[c.Cell.Dataset] = scenarioName(c.Base().Dataset)
	}
	sweep, err := store.Sweep(ctx, "", plan.Name)
	if err != nil {
		return study{}, err
	}
	rankings, err := readSeedValues(ctx, store, sweep.ID, stats.MetricAUROC, studyRankings)
	if err != nil {
		return study{}, err
	}
	for _, t := range result.Tables {
		for _, r := range t.Rows {
			row := studyRow{
				Dataset: r.Dataset, Scenario: scenarios[r.Dataset], Backbone: r.Backbone, Variant: r.Variant,
				IRMSE: r.Overall.Mean, Difference: r.Overall.Difference, Seeds: r.Seeds, PerSeed: r.Overall.PerSeed,
			}
			for _, set := range studyRankings {
				row.AUROC = append(row.AUROC, rankings.mean(sweeps.Cell{Dataset: r.Dataset, Backbone: r.Backbone, Variant: r.Variant}, set))
			}
			s.Rows = append(s.Rows, row)
		}
		for _, note := range t.Notes {
			s.Caveats = append(s.Caveats, t.Rows[0].Dataset+": "+note)
		}
	}
	s.Checks = checkStudy(s.Rows)
	return s, nil
}

func printStudy(w io.Writer, s study) {
	fmt.Fprintf(w, "%s: error against P(Y | do(x)), and the AUROCs that rank models. IRMSE is on rows whose masks and\nconfounder are intervened on; on those as they are (id) AUROC favours what is most biased.\n\n", s.Sweep)
	studyTable(w, s).Render()
	fmt.Fprintf(w, "Intervals: of a mean, Student's t over the dataset seeds; of a difference, %d bootstrap resamples of seeds and rows; p by Holm within a scenario.\n\n", s.Resamples)
	checkTable(w, s).Render()
	fmt.Fprintln(w, "p: paired t test over the dataset seeds, which are independent; two-sided, one test a line.")
	for _, c := range s.Caveats {
		fmt.Fprintf(w, "! %s\n", c)
	}
}

func studyTable(w io.Writer, s study) table.Writer {
	header := []any{"dataset", "backbone", "variant", "IRMSE", "95 % CI", "difference", "95 % CI", "p"}
	for _, set := range studyRankings {
		if set == "test" {
			set = plainTestSet
		}
		header = append(header, "AUROC "+set)
	}
	t := newTable(w, 3, header...)
	last := ""
	for _, r := range s.Rows {
		if last != "" && r.Dataset+r.Backbone != last {
			t.AppendSeparator()
		}
		last = r.Dataset + r.Backbone
		cells := []any{r.Dataset, r.Backbone, r.Variant, decimal(float64(r.IRMSE.Estimate)), bounds(r.IRMSE), "", "", ""}
		if d := r.Difference; d != nil {
			cells[5], cells[6], cells[7] = signed(float64(d.Estimate)), bounds(d.Interval), probability(d.Adjusted)
		}
		for _, v := range r.AUROC {
			cells = append(cells, decimal(float64(v)))
		}
		t.AppendRow(cells)
	}
	return t
}

// writeTable writes both tables of a study; without a path it does nothing.
func writeTable(path string, s study, render func(table.Writer) string) error {
	if path == "" {
		return nil
	}
	text := render(studyTable(io.Discard, s)) + "\n\n" + render(checkTable(io.Discard, s)) + "\n"
	return os.WriteFile(path, []byte(text), 0o644)
}
