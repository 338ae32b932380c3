package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sweeps"
)

// extended is what sweep extend did.
type extended struct {
	sweeps.Report
	Lines []string `json:"changed_lines"` // of the file, with their numbers
}

func newSweepExtend(a *app) *cobra.Command {
	var e sweeps.Extension
	var stay bool
	cmd := &cobra.Command{
		Use: "extend SWEEP.toml", Short: "Add seeds, trials or names to a sweep file and enqueue what is new", Args: cobra.ExactArgs(1),
		Long: `Adds seeds, trials, datasets, backbones or variants to a sweep file, whose other
lines stay as they are, and enqueues the runs that are new. Nothing that exists is
trained again. The same can be done by hand: edit the file and run it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := args[0]
			before, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			after, err := sweeps.Extend(path, before, e)
			if err != nil {
				return a.invalid(err)
			}
			lines := sweeps.Changed(before, after)
			if len(lines) == 0 {
				return withExit(exitUsage, errors.New("nothing to add: say --seeds, --trials, --dataset, --backbone or --variant with what the file does not have"))
			}
			file, err := sweeps.Parse(path, after)
			if file == nil {
				return a.invalid(err)
			}
			plan, err := a.compile(cmd.Context(), file)
			if err != nil {
				return a.invalid(err)
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.offer(cmd.Context(), plan, !stay); err != nil {
				return err
			}
			report, err := sweeps.Enqueue(cmd.Context(), store, plan)
			if err != nil {
				return err
			}
			if err := replace(path, after); err != nil {
				return fmt.Errorf("the new runs are enqueued, but the file could not be changed: %w", err)
			}
			return a.print(extended{report, lines}, func(w io.Writer) {
				for _, line := range lines {
					fmt.Fprintf(w, "%s:%s\n", path, line)
				}
				fmt.Fprintf(w, "%d new runs wait, %d exist; 'deconfound run %s' or 'deconfound worker' trains them\n", report.New, report.Existing, path)
			})
		},
	}
	cmd.Flags().IntSliceVar(&e.Seeds, "seeds", nil, "seeds to add to the replicates, e.g. 5,6")
	cmd.Flags().IntVar(&e.Trials, "trials", 0, "number of trials of the search, in all")
	cmd.Flags().StringSliceVar(&e.Dataset, "dataset", nil, "datasets to add")
	cmd.Flags().StringSliceVar(&e.Backbone, "backbone", nil, "backbones to add")
	cmd.Flags().StringSliceVar(&e.Variant, "variant", nil, "variants to add, which the file defines")
	addDistribute(cmd, &stay)
	return cmd
}

// replace writes a file whole or not at all.
func replace(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(text)
	if err := errors.Join(err, temporary.Chmod(info.Mode()), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
