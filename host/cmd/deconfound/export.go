package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/columnar"
	"github.com/deconfound/deconfound/tracker/shown"
)

// exportedFile is a file of export with its number of rows.
type exportedFile struct {
	Path string `json:"path"`
	Rows int64  `json:"rows"`
}

// orders are those of the rows of a view, for the same file every time; a view that
// is not here comes as the database has it.
var orders = map[string]string{
	"sweeps": "owner", "runs": "run_id", "unit_groups": "dataset_hash, unit, grp", "events": "event_id",
	"points": "run_id, metric, split, grp, lvl, step", "metrics": "run_id, split, metric, grp, lvl",
	"results": "run_id, split, metric, grp, lvl", "diagnostics": "run_id, diagnostic",
	"leaderboard": byCell + "split, metric, grp, lvl", "paired": byCell + "split, metric, grp, lvl",
	"paired_seeds": byCell + "split, metric, grp, lvl, seed", "pattern_results": byCell + "split, metric, pattern",
	"comparison_diagnostics": byCell + "test_set, arm, name", "decisions": byCell + "number", "dataset_audits": "dataset_hash",
	"predictions": "run_id, unit, class", "all_predictions": "run_id, test_set, unit, class",
}

const byCell = "dataset, backbone, variant, "

// exportTimeout ends the query of a view: there may be many millions of rows.
const exportTimeout = 12 * time.Hour

// exportFormats write the answer to a query to a file, row by row, and count rows.
var exportFormats = map[string]func(io.Writer, pgx.Rows) (int64, error){"csv": writeCSV, "parquet": columnar.Write}

func newExport(a *app) *cobra.Command {
	var dir, format string
	cmd := &cobra.Command{
		Use:   "export SWEEP",
		Short: "Write everything about a sweep as CSV or Parquet files",
		Long: `Writes every documented view ('deconfound sql --views') of one sweep into a new
directory, one file a view, and the sweep file as it was run. Units stay keyed
hashes. CSV has all digits; Parquet has the types and the nulls of the columns,
JSON as text and times in UTC, and is read with
  pandas.read_parquet("DIR/results.parquet")
  arrow::read_parquet("DIR/results.parquet")              in R
  select * from 'DIR/results.parquet'                     in DuckDB`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if exportFormats[format] == nil {
				return withExit(exitUsage, fmt.Errorf("--format is %q, there are csv and parquet", format))
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			sweep, err := store.Sweep(cmd.Context(), "", args[0])
			if err != nil {
				return err
			}
			if dir == "" {
				dir = sweep.Name + "-export"
			}
			files, err := export(cmd.Context(), store, sweep, dir, format)
			if err != nil {
				return err
			}
			return a.print(files, func(w io.Writer) {
				for _, f := range files {
					fmt.Fprintf(w, "%s: %d rows\n", f.Path, f.Rows)
				}
			})
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory to make (default: SWEEP-export)")
	cmd.Flags().StringVar(&format, "format", "csv", "csv or parquet")
	return cmd
}

// export writes into a directory that must not exist. After an error it is gone.
func export(ctx context.Context, store *tracker.Store, sweep tracker.Sweep, dir, format string) (files []exportedFile, err error) {
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists; name another directory with --dir", dir)
	} else if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := os.WriteFile(filepath.Join(dir, "sweep.toml"), []byte(sweep.TOML), 0o644); err != nil {
		return nil, err
	}
	views, err := store.Views(ctx)
	if err != nil {
		return nil, err
	}
	analyst, err := store.ReadOnly(ctx)
	if err != nil {
		return nil, err
	}
	defer analyst.Close(context.WithoutCancel(ctx))
	analyst.Timeout = exportTimeout
	for _, v := range views {
		query, err := exportQuery(v, sweep)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, v.Name+"."+format)
		n, err := exportView(ctx, analyst, query, path, exportFormats[format])
		if err != nil {
			return nil, fmt.Errorf("export %s: %w", v.Name, err)
		}
		files = append(files, exportedFile{Path: path, Rows: n})
	}
	return files, nil
}

// exportQuery selects the rows of a view that are about a sweep.
func exportQuery(v tracker.View, sweep tracker.Sweep) (string, error) {
	has := func(name string) bool {
		return slices.ContainsFunc(v.Columns, func(c tracker.Column) bool { return c.Name == name })
	}
	mine := fmt.Sprintf("sweep = %s and owner = %s", literal(sweep.Name), literal(sweep.Owner))
	query := "select * from " + v.Name
	switch {
	case has("sweep") && has("owner"):
		query += " where " + mine
	case has("run_id"):
		// As an array, so that only the partitions of these runs are read.
		query += " where run_id = any(array(select run_id from runs where " + mine + "))"
	case has("dataset_hash"):
		query += " where dataset_hash in (select dataset_hash from runs where " + mine + ")"
	default:
		return "", fmt.Errorf("export %s: the view does not say what belongs to a sweep", v.Name)
	}
	if order := orders[v.Name]; order != "" {
		query += " order by " + order
	}
	return query, nil
}

// exportView writes the answer to a query row by row.
func exportView(ctx context.Context, analyst *tracker.ReadOnly, query, path string, write func(io.Writer, pgx.Rows) (int64, error)) (n int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(f)
	err = analyst.Query(ctx, query, func(rows pgx.Rows) (err error) {
		n, err = write(out, rows)
		return err
	})
	return n, errors.Join(err, out.Flush(), f.Close())
}

func writeCSV(w io.Writer, rows pgx.Rows) (n int64, err error) {
	out := csv.NewWriter(w)
	fields := rows.FieldDescriptions()
	cells := make([]string, len(fields))
	for i, field := range fields {
		cells[i] = field.Name
	}
	if err := out.Write(cells); err != nil {
		return 0, err
	}
	for ; rows.Next(); n++ {
		values, err := rows.Values()
		if err != nil {
			return n, err
		}
		for i, v := range values {
			cells[i] = shown.Exact(shown.Plain(v))
		}
		if err := out.Write(cells); err != nil {
			return n, err
		}
	}
	out.Flush()
	return n, errors.Join(rows.Err(), out.Error())
}

// literal quotes a string for SQL, with the standard's strings, which hold no
// escapes.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
