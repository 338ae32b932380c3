package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
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
			return a.print(map[string]int64{"schema": applied, "newest": newest}, func(w io.Writer) {
				fmt.Fprintf(w, "The schema is at version %d, the newest this program knows is %d.\n", applied, newest)
			})
		},
	})
	return cmd
}
