package tracker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ImportedRun is a run that was trained elsewhere and has ended. It has metrics
// alone: no predictions, so that it cannot be compared patient by patient, and no
// diagnostics.
type ImportedRun struct {
	PlannedRun         // its hash identifies it within the sweep
	Started, Ended     time.Time
	Points             []Point
	Metrics            map[Metric]float64 // final values; not of a failed run
	Failed             bool
	Message, GitCommit string // why it failed, if known
}

// ImportedNote is what holds of every comparison of imported runs.
const ImportedNote = "These runs were imported: there are no predictions of patients, so nothing is tested patient by patient, " +
	"no diagnostics were made, and no claim is causal. What follows are differences to the baseline over matched seeds, " +
	"with Student's interval and without correction for their number."

// importedSpec is what the spec of a sweep says when its runs are imported.
type importedSpec struct {
	From string `json:"imported_from"`
}

// Imported says where the runs of a sweep come from; "" if they are its own.
func (s Sweep) Imported() string {
	var spec importedSpec
	if json.Unmarshal(s.Spec, &spec) != nil {
		return ""
	}
	return spec.From
}

// ImportSweep makes a sweep of runs that were trained elsewhere. One of the name
// that was imported before is replaced; the program's own are not, which is
// ErrNotImported.
func (s *Store) ImportSweep(ctx context.Context, name, from, baseline string, runs []ImportedRun) (Sweep, error) {
	var sweep Sweep
	err := s.InTx(ctx, func(tx pgx.Tx) error {
		spec, err := json.Marshal(importedSpec{from})
		if err != nil {
			return err
		}
		wanted := SweepSpec{Name: name, TOML: "# imported from " + from + "\n", Spec: spec, Baseline: baseline}
		if sweep, err = s.UpsertSweep(ctx, tx, wanted); err != nil {
			return err
		}
		if !sweep.Created {
			var own bool
			if err := tx.QueryRow(ctx, `select exists (select from sweep_revision where sweep_id = $1 and spec ->> 'imported_from' is null)`, sweep.ID).Scan(&own); err != nil {
				return err
			}
			if own {
				return ErrNotImported
			}
			if _, err := s.DeleteSweep(ctx, tx, sweep.ID); err != nil {
				return err
			}
			if sweep, err = s.UpsertSweep(ctx, tx, wanted); err != nil {
				return err
			}
		}
		for _, r := range runs {
			if err := s.importRun(ctx, tx, sweep.ID, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Sweep{}, fmt.Errorf("import sweep %q: %w", name, err)
	}
	return sweep, nil
}

func (s *Store) importRun(ctx context.Context, tx pgx.Tx, sweepID int64, r ImportedRun) error {
	datasets, err := datasetIDs(ctx, tx, []PlannedRun{r.PlannedRun})
	if err != nil {
		return err
	}
	state, reason, code := Done, "imported", ""
	if r.Failed {
		state, reason, code = Failed, "", "imported"
	}
	const insert = `insert into run (sweep_id, run_hash, dataset_id, backbone, variant, phase, trial, replicate, split_seed, init_seed, spec,
			epoch, epochs, state, stop_reason, error_code, error_message, started_at, ended_at, git_commit)
		values ($1, $2, $3, $4, $5, $6::text::run_phase, $7, $8, $9, $10, $11, $12, $12, $13::text::run_state, $14, $15, $16, $17, $18, $19) returning run_id`
	var id int64
	err = tx.QueryRow(ctx, insert, sweepID, r.Hash, datasets[r.DatasetHash], r.Backbone, r.Variant, string(r.Phase), r.Trial, r.Replicate, r.SplitSeed, r.InitSeed, r.Spec,
		r.Epochs, string(state), reason, code, clean(r.Message), r.Started, r.Ended, r.GitCommit).Scan(&id)
	if err != nil {
		return err
	}
	if err := s.writePoints(ctx, tx, id, r.Points); err != nil {
		return err
	}
	if r.Failed {
		return nil
	}
	return s.writeResults(ctx, tx, id, r.Metrics)
}
