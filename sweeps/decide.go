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
				err = recall(cell.machine, state.Further)
			}
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

// recall brings a search past decisions that are in the tracker.
func recall(m *search.Machine, further []tracker.Decision) error {
	for _, d := range further {
		var one search.Decision
		if err := errors.Join(json.Unmarshal(d.Event, &one.Event), json.Unmarshal(d.Actions, &one.Actions)); err != nil {
			return fmt.Errorf("read decision: %w", err)
		}
		if err := m.Recall(one); err != nil {
			return err
		}
	}
	return nil
}

// condense stores the searches of a plan as they stand, so that what they decided
// under it need not be understood by the plan that follows it.
func condense(ctx context.Context, tx pgx.Tx, store *tracker.Store, sweepID int64, plan *Plan) error {
	if !plan.adaptive() {
		return nil
	}
	states, err := store.In(tx).Searches(ctx, sweepID)
	if err != nil {
		return err
	}
	known, err := plan.attach(states)
	if err != nil {
		return err
	}
	for _, cell := range plan.Cells {
		state := states[cell.Cell.key()]
		if !known[cell.Cell] || len(state.Further) == 0 {
			continue
		}
		state.Decisions += len(state.Further)
		if state.Snapshot, err = cell.machine.Snapshot(); err != nil {
			return err
		}
		if err := store.KeepSearch(ctx, tx, sweepID, cell.Cell.key(), state, nil, false); err != nil {
			return err
		}
	}
	return nil
}

// decide tells the adaptive searches of the sweep's plan what has happened to their
// runs, in the order of trials, and stores what they have decided, with every
// event. touched then names the trials that are new, too. Points that were proposed
// under another revision of the plan are left away. The transaction must hold the
// sweep's lock.
func (c *course) decide(ctx context.Context, tx pgx.Tx, store *tracker.Store, touched map[int][]int, points offered) (decisions, error) {
	out := decisions{until: map[Hash]int{}, goOn: map[int64]int{}}
	if !c.plan.adaptive() {
		return out, nil
	}
	curves, err := c.rungCurves(ctx, store.In(tx), touched)
	if err != nil {
		return out, err
	}
	if points.revision != c.revision {
		points = offered{}
	}
	for i := range points.events {
		if _, ok := touched[i]; !ok {
			touched[i] = nil
		}
	}
	for _, i := range slices.Sorted(maps.Keys(touched)) {
		cell := &c.plan.Cells[i]
		if cell.Adaptive == nil {
			continue
		}
		trials := touched[i]
		if !c.fresh {
			others, err := c.followOthers(ctx, store.In(tx), i)
			if err != nil {
				return out, err
			}
			trials = append(trials, others...)
		}
		log, trials, err := c.catchUp(i, trials, curves, points)
		if err != nil {
			return out, fmt.Errorf("search cell %s: %w", cell.Cell, err)
		}
		touched[i] = trials
		out.read(c, i, trials)
		if err := c.keep(ctx, tx, store, i, log); err != nil {
			return out, err
		}
	}
	return out, nil
}

// followOthers brings the search of a cell past what other processes have decided
// and answers the trials that this was about.
func (c *course) followOthers(ctx context.Context, r tracker.Reader, i int) ([]int, error) {
	cell, known := &c.plan.Cells[i], &c.cells[i]
	further, err := r.DecisionsAfter(ctx, c.sweep, cell.Cell.key(), known.decisions)
	if err != nil || len(further) == 0 {
		return nil, err
	}
	before := len(cell.machine.Trials())
	var trials []int
	for _, d := range further {
		var actions []search.Action
		if err := json.Unmarshal(d.Actions, &actions); err != nil {
			return nil, fmt.Errorf("read decision: %w", err)
		}
		for _, a := range actions {
			trials = append(trials, a.Trial)
		}
	}
	if err := recall(cell.machine, further); err != nil {
		return nil, fmt.Errorf("search cell %s: %w", cell.Cell, err)
	}
	known.decisions += len(further)
	return trials, c.enter(i, before)
}

// snapshotEvery is the least number of decisions between two snapshots of a search.
// A large search is stored after a quarter as many decisions as it has trials, so
// that the work of storing one does not grow with their number.
const snapshotEvery = 32

// keep stores what the search of a cell has decided.
func (c *course) keep(ctx context.Context, tx pgx.Tx, store *tracker.Store, i int, log []search.Decision) error {
	cell, known := &c.plan.Cells[i], &c.cells[i]
	if len(log) == 0 && known.stored {
		return nil
	}
	further := make([]tracker.Decision, len(log))
	for i, d := range log {
		var err error
		if further[i].Event, err = json.Marshal(d.Event); err != nil {
			return fmt.Errorf("write decision: %w", err)
		}
		if further[i].Actions, err = json.Marshal(d.Actions); err != nil {
			return fmt.Errorf("write decision: %w", err)
		}
	}
	known.decisions += len(log)
	state := tracker.SearchState{Decisions: known.decisions}
	due := max(snapshotEvery, len(cell.machine.Trials())/4)
	if !known.stored || known.decisions-known.snapshot >= due || cell.machine.Finished() {
		var err error
		if state.Snapshot, err = cell.machine.Snapshot(); err != nil {
			return err
		}
		known.snapshot = known.decisions
	}
	err := store.KeepSearch(ctx, tx, c.sweep, cell.Cell.key(), state, further, !known.stored)
	known.stored = true
	return err
}

// rungCurves reads the selection metric, by epoch, of the touched runs that wait at
// a rung.
func (c *course) rungCurves(ctx context.Context, r tracker.Reader, touched map[int][]int) (map[int64][]tracker.StepValue, error) {
	var waiting []int64
	for i, trials := range touched {
		for _, n := range trials {
			if s, ok := c.runs[c.cells[i].trials[n]]; ok && s.Held && s.State == tracker.Paused {
				waiting = append(waiting, s.ID)
			}
		}
	}
	if len(waiting) == 0 {
		return nil, nil
	}
	slices.Sort(waiting)
	return r.MetricHistory(ctx, c.metric, waiting...)
}

// catchUp hands the search of a cell what it has not seen of the given trials,
// until it has nothing more to say about the runs that exist, and then the point that
// it wants, if it was proposed. It answers also every trial that it may have something
// to say about.
func (c *course) catchUp(i int, trials []int, curves map[int64][]tracker.StepValue, points offered) (log []search.Decision, seen []int, err error) {
	cell := &c.plan.Cells[i]
	handle := func(e search.Event) error {
		before := len(cell.machine.Trials())
		actions, err := cell.machine.Handle(e)
		if err != nil {
			return err
		}
		if len(actions) > 0 || e.Kind != search.Start {
			log = append(log, search.Decision{Event: e, Actions: actions})
		}
		for _, a := range actions {
			trials = append(trials, a.Trial)
		}
		return c.enter(i, before)
	}
	if c.fresh {
		if err := handle(search.Event{Kind: search.Start}); err != nil {
			return nil, nil, err
		}
	}
	for {
		before := len(log)
		slices.Sort(trials)
		trials = slices.Compact(trials)
		for _, n := range slices.Clone(trials) {
			t := cell.machine.Trials()[n]
			if t.State != search.Training && t.State != search.Failed || t.Point == nil {
				continue
			}
			if r, ok := c.runs[c.cells[i].trials[n]]; ok {
				if e, ok := event(t, r, c.plan.Metric.SelectGoal, curves[r.ID]); ok {
					if err := handle(e); err != nil {
						return nil, nil, err
					}
				}
			}
		}
		if len(log) > before {
			continue
		}
		ask, wanted := cell.machine.Ask()
		if e, ok := points.events[i]; !ok || !wanted || ask.Number != e.Trial {
			return log, trials, nil
		} else if err := handle(e); err != nil {
			return nil, nil, err
		}
	}
}

// event is what the state of a trial's run says that its search does not know.
func event(t *search.Trial, r tracker.Standing, goal string, curve []tracker.StepValue) (search.Event, bool) {
	nan := search.Number(math.NaN())
	e := search.Event{Trial: t.Number, Epoch: r.Epoch, Value: nan, Best: nan, Mean: nan}
	switch {
	case r.State == tracker.Done && !math.IsNaN(r.Value):
		e.Kind, e.Value = search.End, search.Number(r.Value)
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

// read turns the state of a search into what is to be done about the runs of
// trials. It looks at the state and not at the last actions, so that nothing is lost
// if the runs and the search have come apart.
func (d *decisions) read(c *course, i int, trials []int) {
	cell := &c.plan.Cells[i]
	for _, n := range trials {
		t := cell.machine.Trials()[n]
		if t.Point == nil || t.State == search.Repeat || t.State == search.Done {
			continue
		}
		hash := c.cells[i].trials[n]
		until := t.Until
		if until >= cell.Adaptive.Search.Epochs {
			until = 0
		}
		r, ok := c.runs[hash]
		switch {
		case !ok:
			d.until[hash] = until
		case r.State.Ended():
		case t.State == search.Pruned:
			d.prune = append(d.prune, r.ID)
			r.State = tracker.Pruned
			c.set(hash, r)
		case t.State == search.Training && r.Until != until:
			d.goOn[r.ID] = until
			r.Until = until
			c.set(hash, r)
		}
	}
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
