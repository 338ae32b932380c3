package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
)

func newDB(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "db", Short: "Look after the database"}
	cmd.AddCommand(&cobra.Command{
		Use: "migrate", Short: "Bring the schema up to date", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			applied, newest, err := store.SchemaVersion(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(migrated{applied, newest}, func(w io.Writer) {
				fmt.Fprintf(w, "The schema is at version %d, the newest this program knows is %d.\n", applied, newest)
			})
		},
	}, newDBSize(a), newDBVacuum(a), newDBCheck(a), newDBGC(a), newDBReaders(a), newDBRetention(a))
	return cmd
}

func newDBSize(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "size", Short: "Show what each table and each sweep takes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			tables, err := store.Tables(cmd.Context())
			if err != nil {
				return err
			}
			sweeps, err := store.SweepSizes(cmd.Context())
			if err != nil {
				return err
			}
			out := taken{tables, sweeps}
			return a.print(out, func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
				fmt.Fprintln(t, "TABLE\tMB\tROWS\tDEAD\t")
				for _, s := range tables {
					fmt.Fprintf(t, "%s\t%.1f\t%d\t%d\t\n", s.Name, megabytes(s.Bytes), s.Rows, s.Dead)
				}
				fmt.Fprintln(t, "\nSWEEP\tMB\tRUNS\t\t")
				for _, s := range sweeps {
					fmt.Fprintf(t, "%s\t%.1f\t%d\t\t\n", s.Name, megabytes(s.Bytes), s.Rows)
				}
				t.Flush()
			})
		},
	}
}

// migrated is the version of the schema.
type migrated struct {
	Schema int64 `json:"schema"` // of the database
	Newest int64 `json:"newest"` // that the program knows
}

// taken is what the database takes.
type taken struct {
	Tables []tracker.Size `json:"tables"`
	Sweeps []tracker.Size `json:"sweeps"` // points and predictions; rows are runs
}

// vacuumed says that all tables were.
type vacuumed struct {
	Vacuumed bool `json:"vacuumed"`
}

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }

func newDBVacuum(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "vacuum", Short: "Give the space of deleted rows to new ones and count rows anew", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			if err := store.Vacuum(cmd.Context()); err != nil {
				return err
			}
			return a.print(vacuumed{true}, func(w io.Writer) { fmt.Fprintln(w, "The tables are vacuumed and analyzed.") })
		},
	}
}

func newDBCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Look for rows that contradict each other; reads every point", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			found, err := store.Check(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.print(append([]tracker.Finding{}, found...), func(w io.Writer) {
				for _, f := range found {
					fmt.Fprintf(w, "%d %s\n", f.Rows, f.What)
				}
				if len(found) == 0 {
					fmt.Fprintln(w, "Nothing is wrong.")
				}
			}); err != nil {
				return err
			}
			if len(found) > 0 {
				return errors.New("the database contradicts itself")
			}
			return nil
		},
	}
}

// collected is what db gc has given back.
type collected struct {
	Artifacts  int64    `json:"artifact_bytes"` // contents that nothing names
	Partitions int      `json:"partitions"`     // of deleted sweeps
	Curves     int64    `json:"curve_bytes"`
	Logs       int64    `json:"log_bytes"` // of runs, by retention
	Sweeps     []string `json:"sweeps"`    // whose curves were deleted because of --curves-after
}

func newDBGC(a *app) *cobra.Command {
	var grace, curves int
	cmd := &cobra.Command{
		Use: "gc", Short: "Give back the space of what is no longer used", Args: cobra.NoArgs,
		Long: `Deletes what the settings of 'deconfound db retention' no longer keep, contents of
artifacts that no run names, and the empty partitions of deleted sweeps. With
--curves-after it also deletes, this once, the learning curves of your sweeps that ended
so many days ago: their space is free at once. Summaries of the curves (last, smallest
and largest value), results, predictions and diagnostics stay.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("curves-after") && curves < 1 {
				return withExit(exitUsage, errors.New("--curves-after: say a number of days, at least 1"))
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			out, err := collect(cmd.Context(), store, grace, curves)
			if err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				fmt.Fprintf(w, "Given back: %.1f MB of artifacts, %d partitions of deleted sweeps, %.1f MB of curves, %.1f MB of logs.\n",
					megabytes(out.Artifacts), out.Partitions, megabytes(out.Curves), megabytes(out.Logs))
			})
		},
	}
	cmd.Flags().IntVar(&grace, "grace-hours", 24, "keep contents of artifacts that were in use so many hours ago")
	cmd.Flags().IntVar(&curves, "curves-after", 0, "delete curves of sweeps that ended so many days ago (default never)")
	return cmd
}

func collect(ctx context.Context, store *tracker.Store, graceHours, curvesDays int) (collected, error) {
	out := collected{Sweeps: []string{}}
	freed, err := store.Retain(ctx)
	if err != nil {
		return out, err
	}
	out.Curves, out.Logs = freed["points"], freed["logs"]
	if out.Artifacts, err = store.CollectGarbage(ctx, time.Duration(graceHours)*time.Hour); err != nil {
		return out, err
	}
	if curvesDays > 0 {
		idle, err := store.Idle(ctx, time.Duration(curvesDays)*24*time.Hour)
		if err != nil {
			return out, err
		}
		for _, sweep := range idle {
			err := store.InTx(ctx, func(tx pgx.Tx) error {
				n, err := store.EmptyPoints(ctx, tx, sweep.ID)
				out.Curves += n
				return err
			})
			if err != nil {
				return out, err
			}
			out.Sweeps = append(out.Sweeps, sweep.Name)
		}
	}
	out.Partitions, err = store.DropBlocks(ctx)
	return out, err
}
