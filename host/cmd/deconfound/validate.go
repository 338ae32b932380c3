package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sweeps"
)

// valid is a sound sweep file.
type valid struct {
	Valid bool   `json:"valid"` // true
	Name  string `json:"name"`
	Cells int    `json:"cells"`
	Runs  int    `json:"runs"`
}

// invalid is a sweep or dataset file with mistakes, which all commands that read one
// answer.
type invalid struct {
	Valid    bool            `json:"valid"` // false
	Problems sweeps.Problems `json:"problems"`
}

func newValidate(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "validate SWEEP.toml",
		Short: "Check a sweep file; needs no database",
		Long: `Checks a sweep file against what is installed: names, types, ranges, plugin
settings and data. Reports every mistake at once, with its line and what to do.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.plan(cmd.Context(), args[0])
			if err != nil {
				return a.invalid(err)
			}
			summary := plan.Summarize(nil, 1)
			return a.print(valid{true, plan.Name, len(plan.Cells), summary.Runs}, func(w io.Writer) {
				fmt.Fprintf(w, "%s is valid: %d cells, %d runs\n", args[0], len(plan.Cells), summary.Runs)
			})
		},
	}
}

// invalid gives an error in a sweep or dataset file its exit code; as JSON the
// problems are listed one by one.
func (a *app) invalid(err error) error {
	var problems sweeps.Problems
	if !errors.As(err, &problems) {
		return err
	}
	code := exitInvalid
	var coded *exitError
	if errors.As(err, &coded) {
		code = coded.code
	}
	if a.json {
		if err := a.print(invalid{false, problems}, nil); err != nil {
			return err
		}
		return withExit(code, errors.New(""))
	}
	return withExit(code, err)
}
