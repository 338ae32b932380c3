package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

//go:embed starter.toml
var starter []byte

// begun is what init wrote.
type begun struct {
	Written string `json:"written"` // path of the sweep file
}

func newInit(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init [SWEEP.toml]",
		Short: "Write a commented sweep file to start from",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := "sweep.toml"
			if len(args) == 1 {
				path = args[0]
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists; name another file", path)
			}
			if err != nil {
				return err
			}
			if _, err := f.Write(starter); err != nil {
				return errors.Join(err, f.Close())
			}
			if err := f.Close(); err != nil {
				return err
			}
			return a.print(begun{path}, func(w io.Writer) {
				fmt.Fprintf(w, "Wrote %s. Check it with 'deconfound validate %s', train it with 'deconfound run %s'.\n", path, path, path)
			})
		},
	}
}
