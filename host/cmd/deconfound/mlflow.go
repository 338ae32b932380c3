package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker/mlflow"
)

func newMLflow(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "mlflow", Short: "Take runs from MLflow, and give them to it"}
	cmd.AddCommand(newMLflowExport(a), newMLflowImport(a))
	return cmd
}

// openMLflow opens a directory or a server.
func openMLflow(place string) (mlflow.Store, error) {
	store, err := mlflow.Open(place, os.Getenv)
	return store, withExit(exitUsage, err)
}
