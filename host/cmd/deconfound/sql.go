package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

func newSQL(a *app) *cobra.Command {
	var asCSV, views, chart bool
	cmd := &cobra.Command{
		Use:   "sql [QUERY]",
		Short: "Query the results with SQL, read-only",
		Long: `Runs a query as the read-only analyst role. The views are documented by
'deconfound sql --views'; auroc(score, label), auprc, brier, log_loss and ece
are aggregate functions. The query - is read from standard input. Without a query, and
on a terminal, it asks for one after another, and Tab completes them.

--chart draws the answer in the terminal: intervals where it has the columns lo and
hi, of the number before them, curves where it has step or epoch, else bars of the
last number. Columns of text name the lines.`,
		Example: `  deconfound sql "select backbone, variant, pattern, auroc(score, label) from predictions group by 1, 2, 3"
  deconfound sql --chart "select backbone, variant, mean, lo, hi from leaderboard where metric = 'auroc' and split = 'test' and grp = ''"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if views {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.MaximumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			in, out := a.console()
			if len(args) == 0 && !views && (in == nil || a.json || asCSV) {
				return withExit(exitUsage, errors.New("give a query; without one it is asked for on a terminal"))
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) == 0 && !views {
				return a.promptSQL(cmd.Context(), store, in, out, chart)
			}
			if views {
				return a.printViews(cmd.Context(), store)
			}
			query := args[0]
			if query == "-" {
				text, err := io.ReadAll(a.in)
				if err != nil {
					return fmt.Errorf("read query: %w", err)
				}
				query = string(text)
			}
			result, err := ask(cmd.Context(), store, query)
			if err != nil {
				return err
			}
			if asCSV {
				return result.CSV(a.out)
			}
			if chart && !a.json {
				width := defaultWidth
				if s := screenOf(a.out); s != nil {
					if width, _, err = s.size(); err != nil {
						return err
					}
				}
				return result.Chart(a.out, width)
			}
			return a.print(result, func(w io.Writer) { printAnswer(w, result) })
		},
	}
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print comma-separated values")
	cmd.Flags().BoolVar(&chart, "chart", false, "draw the answer")
	cmd.Flags().BoolVar(&views, "views", false, "list the documented views and their columns")
	return cmd
}

// defaultWidth is that of a chart where there is no terminal.
const defaultWidth = 80

// console is the terminal of the person at it, nil where input or output is none.
func (a *app) console() (in, out *os.File) {
	in, ok := a.in.(*os.File)
	out, also := a.out.(*os.File)
	if !ok || !also || !terminal(in) || screenOf(out) == nil {
		return nil, nil
	}
	return in, out
}

// ask runs a query as the read-only analyst.
func ask(ctx context.Context, store *tracker.Store, query string) (shown.Answer, error) {
	analyst, err := store.ReadOnly(ctx)
	if err != nil {
		return shown.Answer{}, err
	}
	defer analyst.Close(context.WithoutCancel(ctx))
	return shown.Ask(ctx, analyst, query, shown.Limit{})
}

func printAnswer(w io.Writer, r shown.Answer) {
	header := make([]any, len(r.Columns))
	for i, c := range r.Columns {
		header[i] = c
	}
	t := newTable(w, len(header), header...)
	for _, row := range r.Rows {
		cells := make([]any, len(row))
		for i, v := range row {
			cells[i] = shown.Cell(v)
		}
		t.AppendRow(cells)
	}
	t.Render()
	fmt.Fprintf(w, "(%d rows)\n", len(r.Rows))
}

func (a *app) printViews(ctx context.Context, store *tracker.Store) error {
	views, err := store.Views(ctx)
	if err != nil {
		return err
	}
	return a.print(views, func(w io.Writer) {
		for _, v := range views {
			fmt.Fprintf(w, "%s: %s\n", v.Name, v.Text)
			for _, c := range v.Columns {
				fmt.Fprintf(w, "  %-20s %s\n", c.Name, c.Type)
			}
			fmt.Fprintln(w)
		}
	})
}
