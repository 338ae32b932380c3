package main

import (
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
)

// deleted is what sweep delete did.
type deleted struct {
	Deleted string `json:"deleted"` // the sweep
	Freed   int64  `json:"freed_bytes"`
}

func newSweepDelete(a *app) *cobra.Command {
	var confirmed string
	cmd := &cobra.Command{
		Use: "delete NAME --confirm NAME", Short: "Delete a sweep with its runs and everything recorded on them", Args: cobra.ExactArgs(1),
		Long: `Deletes a sweep of yours with its runs, curves, results, predictions, diagnostics and
checkpoints. There is no way back. The space of curves and predictions is free at once;
'deconfound db gc' gives back that of artifacts nothing else uses.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if confirmed != name {
				return withExit(exitUsage, fmt.Errorf("this cannot be undone: repeat the name, --confirm %s", name))
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			sweep, err := store.SweepHead(cmd.Context(), "", name)
			if err != nil {
				return err
			}
			var freed int64
			err = store.InTx(cmd.Context(), func(tx pgx.Tx) (err error) {
				freed, err = store.DeleteSweep(cmd.Context(), tx, sweep.ID)
				return err
			})
			if err != nil {
				return err
			}
			if _, err := store.DropBlocks(cmd.Context()); err != nil {
				return err
			}
			return a.print(deleted{name, freed}, func(w io.Writer) {
				fmt.Fprintf(w, "Sweep %s is deleted; %.1f MB are free.\n", name, megabytes(freed))
			})
		},
	}
	cmd.Flags().StringVar(&confirmed, "confirm", "", "the name again")
	return cmd
}
