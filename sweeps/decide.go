package sweeps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/sweeps/search"
	"github.com/deconfound/deconfound/tracker"
)

// decisions are what the searches of a sweep want done about runs.
type decisions struct {
	until map[Hash]int // of runs to be made, where they stop at a rung
	goOn  map[int64]int
	prune []int64
}

// training is a run with its result, as a search sees it.
type training struct {
	tracker.Run
	value float64 // of the selection metric, if the run is done
}

// trainings are the runs of a sweep that count, by hash.
func trainings(runs []tracker.Run, existed map[Hash]Result) map[Hash]training {
	out := make(map[Hash]training, len(existed))
	for _, r := range runs {
		if !r.Planned && r.State == tracker.Cancelled || len(r.Hash) != len(Hash{}) {
			continue
		}
		out[Hash(r.Hash)] = training{r, existed[Hash(r.Hash)].Value}
	}
	return out
}

// key names the search of a cell in the tracker.
func (c Cell) key() tracker.SearchKey {
	return tracker.SearchKey{Dataset: c.Dataset, Backbone: c.Backbone, Variant: c.Variant}
}

// adaptive reports whether a search of the plan depends on results.
func (p *Plan) adaptive() bool {
	return slices.ContainsFunc(p.Cells, func(c CellPlan) bool { return c.Adaptive != nil })
}

// attach brings the adaptive searches of a plan to where they stand in the tracker.
// It answers which of them exist there; those that do not have seen nothing.
func (p *Plan) attach(states map[tracker.SearchKey]tracker.SearchState) (map[Cell]bool, error) {
	known := map[Cell]bool{}
	for i := range p.Cells {
		cell := &p.Cells[i]
		if cell.Adaptive == nil {
			continue
		}
		var err error
		if state, ok := states[cell.Cell.key()]; ok {
			cell.machine, err = search.Restore(cell.Adaptive.Search, state.Snapshot)
			if err == nil {
				known[cell.Cell] = true
				continue
			}
			if !errors.Is(err, search.ErrOther) {
				return nil, fmt.Errorf("cell %s: %w", cell.Cell, err)
			}
		}
		if cell.machine, err = search.New(cell.Adaptive.Search); err != nil {
			return nil, fmt.Errorf("cell %s: %w", cell.Cell, err)
		}
	}
	return known, nil
}

// decide tells the adaptive searches of a plan what has happened to their runs,
// in the order of trials, and stores what they have decided, with every event. The
// transaction must hold the sweep's lock.
func decide(ctx context.Context, tx pgx.Tx, store *tracker.Store, sweepID int64, plan *Plan, existed map[Hash]training) (decisions, error) {
	out := decisions{until: map[Hash]int{}, goOn: map[int64]int{}}
	if !plan.adaptive() {
		return out, nil
	}
	states, err := store.In(tx).Searches(ctx, sweepID)
	if err != nil {
		return out, err
	}
	known, err := plan.attach(states)
	if err != nil {
		return out, err
	}
	curves, err := rungCurves(ctx, store.In(tx), plan.Metric, existed)
	if err != nil {
		return out, err
	}
	for i := range plan.Cells {
		cell := &plan.Cells[i]
		if cell.Adaptive == nil {
			continue
		}
		log, err := cell.catchUp(plan, existed, curves)
		if err != nil {
			return out, fmt.Errorf("search cell %s: %w", cell.Cell, err)
		}
		if err := out.read(cell, plan, existed); err != nil {
			return out, err
		}
		fresh := !known[cell.Cell]
		if len(log) == 0 && !fresh {
			continue
		}
		state := tracker.SearchState{Decisions: len(log)}
		if !fresh {
			state.Decisions += states[cell.Cell.key()].Decisions
		}
		if state.Snapshot, err = cell.machine.Snapshot(); err != nil {
			return out, err
		}
		further := make([]tracker.Decision, len(log))
		for i, d := range log {
			if further[i].Event, err = json.Marshal(d.Event); err != nil {
				return out, fmt.Errorf("write decision: %w", err)
			}
			if further[i].Actions, err = json.Marshal(d.Actions); err != nil {
				return out, fmt.Errorf("write decision: %w", err)
			}
		}
		if err := store.KeepSearch(ctx, tx, sweepID, cell.Cell.key(), state, further, fresh); err != nil {
			return out, err
		}
	}
	return out, nil
}

// rungCurves reads the selection metric, by epoch, of the runs that wait at a rung.
func rungCurves(ctx context.Context, r tracker.Reader, metric Metric, existed map[Hash]training) (map[int64][]tracker.StepValue, error) {
	var waiting []int64
	for _, r := range existed {
		if r.Held && r.State == tracker.Paused {
			waiting = append(waiting, r.ID)
		}
	}
	if len(waiting) == 0 {
		return nil, nil
	}
	selection, err := ParseSelection(metric.Select)
	if err != nil {
		return nil, fmt.Errorf("read selection rule: %w", err)
	}
	slices.Sort(waiting)
	return r.MetricHistory(ctx, selection.Metric(), waiting...)
}

// catchUp hands the search of a cell every event that it has not seen, until it
// has nothing more to say about the runs that exist.
func (c *CellPlan) catchUp(plan *Plan, existed map[Hash]training, curves map[int64][]tracker.StepValue) ([]search.Decision, error) {
	var log []search.Decision
	handle := func(e search.Event) error {
		actions, err := c.machine.Handle(e)
		if err == nil && (len(actions) > 0 || e.Kind != search.Start) {
			log = append(log, search.Decision{Event: e, Actions: actions})
		}
		return err
	}
	if err := handle(search.Event{Kind: search.Start}); err != nil {
		return nil, err
	}
	for {
		before := len(log)
		for _, t := range slices.Clone(c.machine.Trials()) {
			if t.State != search.Training && t.State != search.Failed || t.Point == nil {
				continue
			}
			hash, err := c.Adaptive.trial(t).run(PhaseSearch, plan.SearchSeed).Hash()
			if err != nil {
				return nil, err
			}
			if r, ok := existed[hash]; ok {
				if e, ok := event(t, r, plan.Metric.SelectGoal, curves[r.ID]); ok {
					if err := handle(e); err != nil {
						return nil, err
					}
				}
			}
		}
		if len(log) == before {
			return log, nil
		}
	}
}

// event is what the state of a trial's run says that its search does not know.
func event(t *search.Trial, r training, goal string, curve []tracker.StepValue) (search.Event, bool) {
	nan := search.Number(math.NaN())
	e := search.Event{Trial: t.Number, Epoch: r.Epoch, Value: nan, Best: nan, Mean: nan}
	switch {
	case r.State == tracker.Done && !math.IsNaN(r.value):
		e.Kind, e.Value = search.End, search.Number(r.value)
		return e, true
	case r.State == tracker.Paused && r.Held && r.Epoch >= t.Until && r.Until == t.Until:
		values := make([]float64, 0, len(curve))
		for _, point := range curve {
			if point.Step <= t.Until {
				values = append(values, point.Value)
			}
		}
		return search.NewReport(t.Number, t.Until, values, goal), true
	case t.State == search.Failed || r.State == tracker.Cancelled: // nothing new, or it may be resumed
		return e, false
	case r.State.Ended():
		e.Kind = search.Fail
		return e, true
	}
	return e, false
}

// read turns the state of a search into what is to be done about its runs. It
// looks at the state and not at the last actions, so that nothing is lost if the
// runs and the search have come apart.
func (d *decisions) read(cell *CellPlan, plan *Plan, existed map[Hash]training) error {
	for _, t := range cell.machine.Trials() {
		if t.Point == nil || t.State == search.Repeat || t.State == search.Done {
			continue
		}
		hash, err := cell.Adaptive.trial(t).run(PhaseSearch, plan.SearchSeed).Hash()
		if err != nil {
			return err
		}
		until := t.Until
		if until >= cell.Adaptive.Search.Epochs {
			until = 0
		}
		r, ok := existed[hash]
		switch {
		case !ok:
			d.until[hash] = until
		case r.State.Ended():
		case t.State == search.Pruned:
			d.prune = append(d.prune, r.ID)
		case t.State == search.Training && r.Until != until:
			d.goOn[r.ID] = until
		}
	}
	return nil
}

// apply makes the tracker follow the decisions about runs that exist.
func (d *decisions) apply(ctx context.Context, tx pgx.Tx, store *tracker.Store, q *queue, sweepID int64, plan *Plan) error {
	if len(d.prune) > 0 {
		reason := "pruned"
		for _, cell := range plan.Cells {
			if cell.Adaptive != nil && cell.Adaptive.Search.Stop != nil {
				reason = cell.Adaptive.Search.Stop.Type
			}
		}
		if err := store.PruneRuns(ctx, tx, sweepID, d.prune, reason); err != nil {
			return err
		}
	}
	if len(d.goOn) == 0 {
		return nil
	}
	waiting, err := store.ContinueRuns(ctx, tx, sweepID, maps.Clone(d.goOn))
	if err != nil {
		return err
	}
	for _, r := range waiting {
		if err := q.slice(ctx, tx, sliceArgs{Run: r.ID, Fence: r.Fence, Sweep: r.SweepID}, continued); err != nil {
			return err
		}
	}
	return nil
}
