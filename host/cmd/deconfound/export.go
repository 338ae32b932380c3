package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// exportedFile is a file of export with its number of rows.
type exportedFile struct {
	Path string `json:"path"`
	Rows int    `json:"rows"`
}

// exports are the views that export writes, and the order of their rows.
var exports = []struct{ view, order string }{
	{"runs", "run_id"},
	{"results", "run_id, split, metric, grp, lvl"},
	{"leaderboard", "dataset, backbone, variant, split, metric, grp, lvl"},
	{"paired", "dataset, backbone, variant, split, metric, grp, lvl"},
	{"metrics", "run_id, split, metric, grp, lvl"},
	{"diagnostics", "run_id, diagnostic"},
	{"all_predictions", "run_id, test_set, unit, class"},
}

func newExport(a *app) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "export SWEEP",
		Short: "Write a sweep's results and predictions as CSV files",
		Long: `Writes the documented views of one sweep into a new directory, one CSV file a
view with all digits, and the sweep file as it was run. Units stay keyed hashes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
			files, err := export(cmd.Context(), store, sweep, dir)
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
	return cmd
}

// export writes into a directory that must not exist. After an error it is gone.
func export(ctx context.Context, store *tracker.Store, sweep tracker.Sweep, dir string) (files []exportedFile, err error) {
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
	analyst, err := store.ReadOnly(ctx)
	if err != nil {
		return nil, err
	}
	defer analyst.Close(context.WithoutCancel(ctx))
	for _, e := range exports {
		path := filepath.Join(dir, e.view+".csv")
		query := fmt.Sprintf(`select * from %s where sweep = %s and owner = %s order by %s`, e.view, literal(sweep.Name), literal(sweep.Owner), e.order)
		n, err := exportQuery(ctx, analyst, query, path)
		if err != nil {
			return nil, fmt.Errorf("export %s: %w", e.view, err)
		}
		files = append(files, exportedFile{Path: path, Rows: n})
	}
	return files, nil
}

// exportQuery writes the answer to a query row by row: predictions can be many.
func exportQuery(ctx context.Context, analyst *tracker.ReadOnly, query, path string) (n int, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	out := csv.NewWriter(f)
	err = analyst.Query(ctx, query, func(rows pgx.Rows) error {
		fields := rows.FieldDescriptions()
		cells := make([]string, len(fields))
		for i, field := range fields {
			cells[i] = field.Name
		}
		if err := out.Write(cells); err != nil {
			return err
		}
		for ; rows.Next(); n++ {
			values, err := rows.Values()
			if err != nil {
				return err
			}
			for i, v := range values {
				cells[i] = shown.Exact(shown.Plain(v))
			}
			if err := out.Write(cells); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	out.Flush()
	return n, errors.Join(err, out.Error(), f.Close())
}

// literal quotes a string for SQL, with the standard's strings, which hold no
// escapes.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
