package sweeps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// ErrImported says that a sweep was trained elsewhere: it has runs and no plan.
var ErrImported = errors.New("it has no plan, its runs were imported")

// StoredPlan reads the plan of a sweep as Enqueue stored it.
func StoredPlan(sweep tracker.Sweep) (*Plan, error) {
	if from := sweep.Imported(); from != "" {
		return nil, fmt.Errorf("sweep %s: %w from %s", sweep.Name, ErrImported, from)
	}
	var p Plan
	if err := json.Unmarshal(sweep.Spec, &p); err != nil {
		return nil, fmt.Errorf("read plan of sweep %s: %w", sweep.Name, err)
	}
	return &p, nil
}

// attached is StoredPlan with its adaptive searches as far as they have come.
func attached(ctx context.Context, r tracker.Reader, sweep tracker.Sweep) (*Plan, error) {
	plan, err := StoredPlan(sweep)
	if err != nil {
		return nil, err
	}
	return plan, plan.attachStored(ctx, r, sweep.ID)
}

// attachStored is attach with what the tracker has of the sweep.
func (p *Plan) attachStored(ctx context.Context, r tracker.Reader, sweepID int64) error {
	if !p.adaptive() {
		return nil
	}
	states, err := r.Searches(ctx, sweepID)
	if err != nil {
		return err
	}
	_, err = p.attach(states)
	return err
}

// results reads how far the runs of a sweep have come.
func results(ctx context.Context, r tracker.Reader, sweepID int64, rule string) (map[Hash]Result, []tracker.Run, error) {
	selection, err := ParseSelection(rule)
	if err != nil {
		return nil, nil, fmt.Errorf("read selection rule: %w", err)
	}
	runs, err := r.Runs(ctx, tracker.RunFilter{SweepID: sweepID})
	if err != nil {
		return nil, nil, err
	}
	metric := selection.Metric()
	values, err := r.Results(ctx, tracker.RunFilter{SweepID: sweepID, Phase: tracker.Search}, metric)
	if err != nil {
		return nil, nil, err
	}
	out := make(map[Hash]Result, len(runs))
	for _, run := range runs {
		if !run.Planned && run.State == tracker.Cancelled {
			continue // dropped from an earlier plan: as if it did not exist
		}
		value, ok := values[run.ID][metric]
		if !ok {
			value = math.NaN()
		}
		if len(run.Hash) == len(Hash{}) {
			out[Hash(run.Hash)] = Result{State: run.State, Value: value}
		}
	}
	return out, runs, nil
}

// planned is a run as the tracker stores it.
func planned(spec RunSpec, retry RetryPolicy) (tracker.PlannedRun, error) {
	text, err := spec.Canonical()
	if err != nil {
		return tracker.PlannedRun{}, err
	}
	hash, err := spec.Hash()
	if err != nil {
		return tracker.PlannedRun{}, err
	}
	p := tracker.PlannedRun{
		Hash: hash[:], Dataset: spec.Dataset.Name, DatasetHash: spec.Dataset.Hash,
		Backbone: spec.Backbone.Name, BackboneHash: spec.Backbone.Hash, Variant: spec.Variant,
		Phase: tracker.Phase(spec.Phase), Trial: spec.Trial,
		SplitSeed: int64(spec.SplitSeed), InitSeed: int64(spec.InitSeed),
		Spec: text, Epochs: spec.Epochs, MaxAttempts: retry.Max + 1,
	}
	if spec.Strategy != nil {
		p.Strategy, p.StrategyHash = spec.Strategy.Name, spec.Strategy.Hash
	}
	if spec.Phase == PhaseReplicate {
		seed := spec.SplitSeed
		p.Replicate = &seed
	}
	return p, nil
}

// advance makes the runs that the plan asks for now and enqueues them. The
// transaction must hold the sweep's lock, else two of them could overtake each
// other.
func advance(ctx context.Context, tx pgx.Tx, store *tracker.Store, q *queue, sweepID int64, plan *Plan) (started []tracker.Run, existed map[Hash]Result, err error) {
	reader := store.In(tx)
	existed, runs, err := results(ctx, reader, sweepID, plan.Metric.Select)
	if err != nil {
		return nil, nil, err
	}
	decided, err := decide(ctx, tx, store, sweepID, plan, trainings(runs, existed))
	if err != nil {
		return nil, nil, err
	}
	specs, err := plan.Next(existed)
	if err != nil {
		return nil, nil, err
	}
	wanted := make([]tracker.PlannedRun, len(specs))
	for i, spec := range specs {
		if wanted[i], err = planned(spec, plan.Retry); err != nil {
			return nil, nil, err
		}
		wanted[i].Until = decided.until[Hash(wanted[i].Hash)]
	}
	started, err = store.PlanRuns(ctx, tx, sweepID, wanted, true)
	if err != nil {
		return nil, nil, err
	}
	if err := decided.apply(ctx, tx, store, q, sweepID, plan); err != nil {
		return nil, nil, err
	}
	if err := q.slices(ctx, tx, started); err != nil {
		return nil, nil, err
	}
	return started, existed, plan.Budget.enforce(ctx, tx, store, sweepID)
}

// advanceSweep is advance for a stored sweep, in a transaction of its own.
func advanceSweep(ctx context.Context, store *tracker.Store, q *queue, sweepID int64) error {
	err := store.InTx(ctx, func(tx pgx.Tx) error {
		if err := store.LockSweep(ctx, tx, sweepID); err != nil {
			return err
		}
		sweep, err := store.In(tx).SweepByID(ctx, sweepID)
		if err != nil {
			return err
		}
		if sweep.CancelledAt != nil {
			return nil // its runs are cancelled, which is no result
		}
		plan, err := StoredPlan(sweep)
		if errors.Is(err, ErrImported) {
			return nil
		}
		if err != nil {
			return err
		}
		_, _, err = advance(ctx, tx, store, q, sweepID, plan)
		return err
	})
	if err != nil {
		return fmt.Errorf("advance sweep %d: %w", sweepID, err)
	}
	return nil
}
