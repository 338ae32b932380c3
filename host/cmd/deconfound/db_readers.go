package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
)

func newDBReaders(a *app) *cobra.Command {
	var add, remove []string
	cmd := &cobra.Command{
		Use: "readers", Short: "Say which other logins may read your sweeps", Args: cobra.NoArgs,
		Long: `Lists the logins that may read sweeps beside their owners, and with --add and
--remove changes that for yours. A reader sees the views of 'deconfound sql --views',
with nothing in them but the sweeps of owners who named it. An administrator makes the
login: create role NAME login password '...' in role ` + tracker.ReaderRole + `.

Members of ` + tracker.AnalystRole + ` and ` + tracker.WorkerRole + ` see the sweeps of
everybody, the first to read them, the second to train them.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			for _, login := range add {
				if err := store.AddReader(cmd.Context(), login); err != nil {
					return err
				}
			}
			for _, login := range remove {
				if err := store.RemoveReader(cmd.Context(), login); errors.Is(err, tracker.ErrNotFound) {
					return withExit(exitUsage, fmt.Errorf("%s is no reader of your sweeps", login))
				} else if err != nil {
					return err
				}
			}
			readers, err := store.SweepReaders(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(append([]tracker.SweepReader{}, readers...), func(w io.Writer) {
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "OWNER\tREADER\tSINCE")
				for _, r := range readers {
					fmt.Fprintf(t, "%s\t%s\t%s\n", r.Owner, r.Login, r.Since.Format(time.DateOnly))
				}
				t.Flush()
			})
		},
	}
	cmd.Flags().StringSliceVar(&add, "add", nil, "logins to let read your sweeps")
	cmd.Flags().StringSliceVar(&remove, "remove", nil, "logins to take it from")
	return cmd
}
