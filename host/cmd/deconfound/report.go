package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/report"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// reportRequest is what to report, and where to.
type reportRequest struct {
	comparison
	format, output string
}

// written is what report answers.
type written struct {
	Path   string `json:"path"`
	Format string `json:"format"`
	Bytes  int    `json:"bytes"`
}

func newReport(a *app) *cobra.Command {
	var request reportRequest
	cmd := &cobra.Command{
		Use:   "report SWEEP",
		Short: "Write a sweep's comparison as a page, a PDF, LaTeX, Markdown or CSV",
		Long: `Writes one self-contained file: the comparison with intervals, corrected p values,
seeds and budgets, plots of the differences, a paragraph on methods made from the
sweep, the data and what diagnostics say of it, provenance, and how to repeat it.
Numbers are those that compare and the pages print; what survives its correction is
bold. CSV has all groups of rows of all cells, LaTeX uses booktabs and TikZ.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.sweep = args[0]
			return a.writeReport(cmd.Context(), request)
		},
	}
	cmd.Flags().StringVar(&request.format, "format", "", "one of "+strings.Join(report.Formats(), ", ")+" (default: by the end of the file's name, else html)")
	cmd.Flags().StringVarP(&request.output, "output", "o", "", "file to write; - is the standard output (default: the sweep's name)")
	cmd.Flags().StringVar(&request.baseline, "baseline", "", "variant to compare with (default: that of the sweep's analysis)")
	cmd.Flags().StringVar(&request.metric, "metric", "", "metric to compare by (default: the sweep's)")
	cmd.Flags().StringVar(&request.test, "test", plainTestSet, "test set: id, or the name of a shift such as do or flip")
	cmd.Flags().IntVar(&request.resamples, "resamples", defaultResamples, "bootstrap resamples")
	return cmd
}

// settle fills format and output in from each other.
func (r *reportRequest) settle() error {
	if r.format == "" {
		r.format = "html"
		end := strings.TrimPrefix(filepath.Ext(r.output), ".")
		for format, name := range map[string]string{"html": "htm", "latex": "tex", "md": "markdown"} {
			if end == name {
				end = format
			}
		}
		if slices.Contains(report.Formats(), end) {
			r.format = end
		}
	}
	if !slices.Contains(report.Formats(), r.format) {
		return withExit(exitUsage, fmt.Errorf("--format %s: use one of %s", r.format, strings.Join(report.Formats(), ", ")))
	}
	if r.output == "" {
		end := r.format
		if end == "latex" {
			end = "tex"
		}
		r.output = strings.ReplaceAll(r.sweep, string(filepath.Separator), "-") + "." + end
	}
	return nil
}

func (a *app) writeReport(ctx context.Context, request reportRequest) error {
	if err := request.settle(); err != nil {
		return err
	}
	store, err := a.tracker(ctx)
	if err != nil {
		return err
	}
	document, err := reportOf(ctx, store, request)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := report.Write(&out, document, request.format); err != nil {
		return err
	}
	if request.output == "-" {
		_, err := a.out.Write(out.Bytes())
		return err
	}
	if err := os.WriteFile(request.output, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return a.print(written{request.output, request.format, out.Len()}, func(w io.Writer) { fmt.Fprintf(w, "wrote %s\n", request.output) })
}

// reportOf gathers what a report says.
func reportOf(ctx context.Context, store *tracker.Store, request reportRequest) (report.Document, error) {
	c, err := compareSweep(ctx, store, request.comparison)
	if err != nil {
		return report.Document{}, err
	}
	sweep, err := store.Sweep(ctx, "", request.sweep)
	if err != nil {
		return report.Document{}, err
	}
	plan, err := sweeps.StoredPlan(sweep)
	if err != nil {
		return report.Document{}, err
	}
	planned := true
	runs, err := store.Runs(ctx, tracker.RunFilter{SweepID: sweep.ID, Phase: tracker.Replicate, States: []tracker.State{tracker.Done}, Planned: &planned})
	if err != nil {
		return report.Document{}, err
	}
	verdicts, err := store.Verdicts(ctx, sweep.ID)
	if err != nil {
		return report.Document{}, err
	}
	b := reported{compared: c, plan: plan, runs: runs, verdicts: verdicts, request: request, toml: sweep.TOML}
	return b.document(), nil
}
