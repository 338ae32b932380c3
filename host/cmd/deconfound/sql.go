package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
)

func newSQL(a *app) *cobra.Command {
	var asCSV, views bool
	cmd := &cobra.Command{
		Use:   "sql QUERY",
		Short: "Query the results with SQL, read-only",
		Long: `Runs a query as the read-only analyst role. The views are documented by
'deconfound sql --views'; auroc(score, label), auprc, brier, log_loss and ece
are aggregate functions. The query - is read from standard input.`,
		Example: `  deconfound sql "select backbone, variant, pattern, auroc(score, label) from predictions group by 1, 2, 3"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if views {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
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
				return result.csv(a.out)
			}
			return a.print(result, result.table)
		},
	}
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print comma-separated values")
	cmd.Flags().BoolVar(&views, "views", false, "list the documented views and their columns")
	return cmd
}

// answer is the result of a query.
type answer struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
}

// ask runs a query as the read-only analyst.
func ask(ctx context.Context, store *tracker.Store, query string) (answer, error) {
	analyst, err := store.ReadOnly(ctx)
	if err != nil {
		return answer{}, err
	}
	defer analyst.Close(context.WithoutCancel(ctx))
	result := answer{Rows: [][]any{}}
	err = analyst.Query(ctx, query, func(rows pgx.Rows) error {
		for _, f := range rows.FieldDescriptions() {
			result.Columns = append(result.Columns, f.Name)
		}
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return err
			}
			for i, v := range values {
				values[i] = plainValue(v)
			}
			result.Rows = append(result.Rows, values)
		}
		return rows.Err()
	})
	return result, err
}

// plainValue turns what JSON cannot hold into what it can.
func plainValue(v any) any {
	switch v := v.(type) {
	case float64:
		return number(v)
	case float32:
		// The shortest decimal that reads back as the same real, not the digits of a
		// float64 near it.
		short, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
		if err != nil {
			return nil
		}
		return number(short)
	case pgtype.Numeric:
		f, err := v.Float64Value()
		if err != nil || !f.Valid {
			return nil
		}
		return number(f.Float64)
	}
	return v
}

func (r answer) table(w io.Writer) {
	header := make([]any, len(r.Columns))
	for i, c := range r.Columns {
		header[i] = c
	}
	t := newTable(w, len(header), header...)
	for _, row := range r.Rows {
		cells := make([]any, len(row))
		for i, v := range row {
			cells[i] = cell(v)
		}
		t.AppendRow(cells)
	}
	t.Render()
	fmt.Fprintf(w, "(%d rows)\n", len(r.Rows))
}

func (r answer) csv(out io.Writer) error {
	w := csv.NewWriter(out)
	if err := w.Write(r.Columns); err != nil {
		return err
	}
	for _, row := range r.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = exact(v)
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
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

// exact is cell with all digits: what is read back is the value in the database.
func exact(v any) string {
	if v, ok := v.(number); ok {
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	}
	return cell(v)
}

// cell prints one value of a query for people, numbers with six digits.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case number:
		return strconv.FormatFloat(float64(v), 'g', 6, 64)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []byte:
		return fmt.Sprintf(`\x%x`, v)
	case map[string]any, []any:
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(text)
	default:
		return fmt.Sprint(v)
	}
}
