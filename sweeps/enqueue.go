package sweeps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// Report says what Enqueue found and did.
type Report struct {
	Sweep    int64 `json:"sweep_id"`
	Revision int   `json:"revision"`
	Created  bool  `json:"created"`  // the sweep is new
	Extended bool  `json:"extended"` // it existed and its plan has changed
	// AnalysisChanged says that the analysis differs from the one that was
	// stored before: results may already have been seen.
	AnalysisChanged bool `json:"analysis_changed"`
	New             int  `json:"new"`      // runs that now wait
	Existing        int  `json:"existing"` // runs of the plan that existed
	Done            int  `json:"done"`     // of those, how many are done
	Paused          bool `json:"paused"`
}

// ErrCancelled says that a sweep was cancelled and must be resumed first.
var ErrCancelled = errors.New("the sweep is cancelled; resume it to go on")

// Enqueue stores a sweep and enqueues the runs that do not exist yet. Enqueuing
// the same plan again does nothing; an extended one adds what is new, and a
// reduced one drops waiting runs that are no longer wanted.
func Enqueue(ctx context.Context, store *tracker.Store, plan *Plan) (Report, error) {
	q, err := newQueue(store)
	if err != nil {
		return Report{}, err
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return Report{}, fmt.Errorf("encode plan: %w", err)
	}
	analysis, err := json.Marshal(registration{plan.Analysis, plan.Metric})
	if err != nil {
		return Report{}, fmt.Errorf("encode analysis: %w", err)
	}
	spec := tracker.SweepSpec{Name: plan.Name, Spec: text, Analysis: analysis, Baseline: plan.Analysis.Baseline["variant"]}
	if plan.File != nil {
		spec.TOML = string(plan.File.Text)
	}

	var report Report
	err = store.InTx(ctx, func(tx pgx.Tx) error {
		sweep, err := store.UpsertSweep(ctx, tx, spec)
		if err != nil {
			return err
		}
		if sweep.CancelledAt != nil {
			return ErrCancelled
		}
		report = Report{
			Sweep: sweep.ID, Revision: sweep.Revision, Created: sweep.Created, Extended: sweep.Changed && !sweep.Created,
			AnalysisChanged: sweep.AnalysisChanged, Paused: sweep.PausedAt != nil,
		}
		if report.Extended {
			spec, err := store.In(tx).Revision(ctx, sweep.ID, sweep.Revision-1)
			if err != nil {
				return err
			}
			before, err := StoredPlan(tracker.Sweep{Name: sweep.Name, Spec: spec})
			if err != nil {
				return err
			}
			if err := condense(ctx, tx, store, sweep.ID, before); err != nil {
				return err
			}
		}
		stored, err := store.In(tx).SweepHeadByID(ctx, sweep.ID)
		if err != nil {
			return err
		}
		released, err := plan.Budget.release(ctx, tx, store, q, stored)
		if err != nil {
			return err
		}
		report.Paused = report.Paused && !released
		c, err := newCourse(ctx, store.In(tx), sweep.ID, sweep.Revision, plan)
		if err != nil {
			return err
		}
		started, err := c.advance(ctx, tx, store, q, offered{})
		if err != nil {
			return err
		}
		if asks, err := c.asks(); err != nil {
			return err
		} else if len(asks) > 0 { // a worker has the plugins
			if err := q.advance(ctx, tx, sweep.ID); err != nil {
				return err
			}
		}
		report.New = len(started)
		report.Existing, report.Done = c.existing()
		return nil
	})
	if err != nil {
		return Report{}, fmt.Errorf("enqueue sweep %s: %w", plan.Name, err)
	}
	return report, nil
}

// count says how many runs of the plan exist.
func (r *Report) count(plan *Plan, existed map[Hash]Result) error {
	specs, err := plan.Next(existed)
	if err != nil {
		return err
	}
	for _, s := range specs {
		hash, err := s.Hash()
		if err != nil {
			return err
		}
		if result, ok := existed[hash]; ok {
			r.Existing++
			if result.State == tracker.Done {
				r.Done++
			}
		}
	}
	return nil
}

// Recorded says what Enqueue would find of a plan, in Existing and Done. It
// changes nothing.
func Recorded(ctx context.Context, store *tracker.Store, plan *Plan) (Report, error) {
	sweep, err := store.SweepHead(ctx, "", plan.Name)
	if errors.Is(err, tracker.ErrNotFound) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, err
	}
	existed, err := results(ctx, store.Reader, sweep.ID, plan.Metric.Select)
	if err != nil {
		return Report{}, err
	}
	if err := plan.attachStored(ctx, store.Reader, sweep.ID); err != nil {
		return Report{}, err
	}
	report := Report{Sweep: sweep.ID, Revision: sweep.Revision, Paused: sweep.PausedAt != nil}
	return report, report.count(plan, existed)
}
