package sweeps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

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
func results(ctx context.Context, r tracker.Reader, sweepID int64, rule string) (map[Hash]Result, error) {
	selection, err := ParseSelection(rule)
	if err != nil {
		return nil, fmt.Errorf("read selection rule: %w", err)
	}
	runs, _, err := r.Standings(ctx, sweepID, 0, selection.Metric())
	if err != nil {
		return nil, err
	}
	out := make(map[Hash]Result, len(runs))
	for _, run := range runs {
		if !run.Planned && run.State == tracker.Cancelled {
			continue // dropped from an earlier plan: as if it did not exist
		}
		if len(run.Hash) == len(Hash{}) {
			out[Hash(run.Hash)] = Result{State: run.State, Value: run.Value}
		}
	}
	return out, nil
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
func (c *course) advance(ctx context.Context, tx pgx.Tx, store *tracker.Store, q *queue, points offered) (started []tracker.Run, err error) {
	touched, err := c.read(ctx, store.In(tx))
	if err != nil {
		return nil, err
	}
	decided, err := c.decide(ctx, tx, store, touched, points)
	if err != nil {
		return nil, err
	}
	w, err := c.look(touched)
	if err != nil {
		return nil, err
	}
	if started, err = c.follow(ctx, tx, store, w, decided.until); err != nil {
		return nil, err
	}
	c.fresh = false
	if err := decided.apply(ctx, tx, store, q, c.sweep, c.plan); err != nil {
		return nil, err
	}
	if err := q.slices(ctx, tx, started); err != nil {
		return nil, err
	}
	if err := c.keepProgress(ctx, tx, store); err != nil {
		return nil, err
	}
	return started, c.plan.Budget.enforce(ctx, tx, store, c.sweep)
}

// advanceSweep is advance for a stored sweep, in transactions of its own, between
// which samplers are asked. It pauses the sweep if one is of no use; the error is
// ErrLacksSampler, as an unproposed, if it is not here.
func advanceSweep(ctx context.Context, store *tracker.Store, q *queue, sweepID int64) error {
	for points := (offered{}); ; {
		revision, asks, err := advanceOnce(ctx, store, q, sweepID, points)
		if err != nil {
			return fmt.Errorf("advance sweep %d: %w", sweepID, err)
		}
		if len(asks) == 0 {
			return nil
		}
		points, err = q.propose(ctx, revision, asks)
		var why *unproposed
		if errors.As(err, &why) && !errors.Is(err, ErrLacksSampler) {
			q.log.Warn("a sweep pauses", "sweep", sweepID, "error", why.cause)
			err = pauseUnproposed(ctx, store, sweepID, why)
			if err == nil {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// advanceOnce is advance in a transaction of its own. It answers what samplers are to
// be asked because of it, under which revision of the plan.
func advanceOnce(ctx context.Context, store *tracker.Store, q *queue, sweepID int64, points offered) (revision int, asks []asking, err error) {
	var c *course
	paused := false
	err = store.InTx(ctx, func(tx pgx.Tx) error {
		c = q.courses.take(sweepID) // gone if this is tried again
		if err := store.LockSweep(ctx, tx, sweepID); err != nil {
			return err
		}
		reader := store.In(tx)
		sweep, err := reader.SweepHeadByID(ctx, sweepID)
		if err != nil {
			return err
		}
		paused = sweep.PausedAt != nil
		if sweep.CancelledAt != nil {
			c = nil
			return nil // its runs are cancelled, which is no result
		}
		if c == nil || c.revision != sweep.Revision {
			if sweep, err = reader.SweepByID(ctx, sweepID); err != nil {
				return err
			}
			plan, err := StoredPlan(sweep)
			if errors.Is(err, ErrImported) {
				return nil
			}
			if err != nil {
				return err
			}
			if c, err = newCourse(ctx, reader, sweepID, sweep.Revision, plan); err != nil {
				return err
			}
		}
		_, err = c.advance(ctx, tx, store, q, points)
		return err
	})
	if err != nil || c == nil {
		return 0, nil, err
	}
	revision = c.revision
	if !paused {
		asks, err = c.asks()
	}
	q.courses.give(c)
	return revision, asks, err
}
