package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
)

// retentions is what db retention prints.
type retentions struct {
	Settings []tracker.Retention `json:"settings"`
	Removed  []tracker.Removal   `json:"removed"`
}

// The settings of --points and the others that are no number of days.
const (
	keepForever = "forever"
	keepDefault = "default"
)

func newDBRetention(a *app) *cobra.Command {
	limits := map[string]*string{}
	var sweep string
	cmd := &cobra.Command{
		Use: "retention", Short: "Say how long curves, logs and artifacts are kept", Args: cobra.NoArgs,
		Long: `Stores how many days after a sweep has ended the points of its curves, the logs of
its failed runs and its artifacts are kept, for all your sweeps or with --sweep for one,
whose setting then counts. Workers remove what is older, once an hour, and so does
'deconfound db gc'. Without settings everything is kept; ` + keepForever + ` says so of a sweep, and
` + keepDefault + ` takes a setting back.

Results, predictions, diagnostics, comparisons, and of each curve the last, smallest and
largest value are never removed this way: what 'deconfound compare' and the reports say
stays the same. What was removed is listed below the settings, and in the column removed
of the view sweeps.`,
		Example: `  deconfound db retention --points 90 --logs 365
  deconfound db retention --points forever --sweep nafld-first`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			var id int64
			if sweep != "" {
				found, err := store.SweepHead(cmd.Context(), "", sweep)
				if err != nil {
					return err
				}
				id = found.ID
			}
			for _, what := range tracker.Kept {
				if cmd.Flags().Changed(what) {
					if err := setRetention(cmd.Context(), store, what, id, *limits[what]); err != nil {
						return err
					}
				}
			}
			out := retentions{Settings: []tracker.Retention{}, Removed: []tracker.Removal{}}
			settings, err := store.Retentions(cmd.Context())
			if err != nil {
				return err
			}
			removed, err := store.Removals(cmd.Context())
			if err != nil {
				return err
			}
			out.Settings, out.Removed = append(out.Settings, settings...), append(out.Removed, removed...)
			return a.print(out, func(w io.Writer) { printRetentions(w, out) })
		},
	}
	for _, what := range tracker.Kept {
		limits[what] = cmd.Flags().String(what, "", "days to keep "+what+" after the end of a sweep, "+keepForever+" or "+keepDefault)
	}
	cmd.Flags().StringVar(&sweep, "sweep", "", "of this sweep alone")
	return cmd
}

func setRetention(ctx context.Context, store *tracker.Store, what string, sweep int64, limit string) error {
	var err error
	switch limit {
	case keepDefault:
		err = store.DropRetention(ctx, what, sweep)
	case keepForever:
		err = store.SetRetention(ctx, what, sweep, nil)
	default:
		days, failed := strconv.Atoi(limit)
		if failed != nil || days < 1 {
			return withExit(exitUsage, fmt.Errorf("--%s is %q: say a number of days, at least 1, or %s or %s", what, limit, keepForever, keepDefault))
		}
		err = store.SetRetention(ctx, what, sweep, &days)
	}
	if errors.Is(err, tracker.ErrNotOwner) {
		return withExit(exitUsage, errors.New("the sweep belongs to somebody else"))
	}
	return err
}

func printRetentions(w io.Writer, r retentions) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OWNER\tSWEEP\tWHAT\tKEPT")
	for _, s := range r.Settings {
		sweep, days := s.Sweep, keepForever
		if sweep == "" {
			sweep = "(all others)"
		}
		if s.Days != nil {
			days = fmt.Sprintf("%d days", *s.Days)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Owner, sweep, s.What, days)
	}
	if len(r.Settings) == 0 {
		fmt.Fprintln(t, "everything is kept for ever")
	}
	if len(r.Removed) > 0 {
		fmt.Fprintln(t, "\nREMOVED FROM\tOWNER\tWHAT\tON\tMB")
	}
	for _, x := range r.Removed {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.1f\n", x.Sweep, x.Owner, x.What, x.At.Format(time.DateOnly), megabytes(x.Bytes))
	}
	t.Flush()
}
