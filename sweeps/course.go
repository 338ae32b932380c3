package sweeps

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// course is a sweep's plan and how far its runs have come, as one process knows
// it. Looking at the sweep again then takes what has changed since, and not every
// run: the work for a run that ends does not grow with the sweep. It says what
// Plan.Next says, and is thrown away whenever it could be wrong: when the sweep has
// a new revision, or a transaction that used it has failed.
type course struct {
	sweep    int64
	revision int
	plan     *Plan // with the searches as far as they have come
	metric   tracker.Metric
	event    int64                     // the newest that runs takes into account
	fresh    bool                      // nothing has been read yet
	runs     map[Hash]tracker.Standing // those that count
	place    map[Hash]place            // of trials
	cells    []cellCourse
	ended    int // planned runs that have ended
	open     int // planned runs that have not
	kept     tracker.Progress
}

// place is where a trial is found.
type place struct{ cell, trial int }

// cellCourse is how far a cell has come.
type cellCourse struct {
	// trials are the hashes of the trials' runs: of an adaptive search by number,
	// else by place in CellPlan.Trials; zero for a trial that is not trained.
	trials  []Hash
	trained int // of trials
	open    int // trials whose run has not ended, or does not exist
	// winner and settled are what Plan.winner says, as of the last look.
	winner     *Winner
	settled    bool
	replicates []Hash // that are wanted

	// Of an adaptive search: the newest decision that its machine knows, that in
	// the stored snapshot, and whether there is one.
	decisions, snapshot int
	stored              bool
}

// keptCourses is how many courses a process keeps if some of them have come to
// their end; else it keeps four times as many.
const keptCourses = 4

// courses are those of one process, by sweep.
type courses struct {
	mu    sync.Mutex
	known map[int64]*course
}

// take answers the course of a sweep, nil if there is none, and forgets it: its user
// hands it back when what it did was committed.
func (c *courses) take(sweepID int64) *course {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.known[sweepID]
	delete(c.known, sweepID)
	return out
}

// give keeps a course. A process keeps few: one of ten thousand runs takes some ten
// megabytes.
func (c *courses) give(one *course) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[int64]*course{}
	}
	for id, other := range c.known {
		if len(c.known) >= keptCourses && (other.kept.Complete || len(c.known) >= 4*keptCourses) {
			delete(c.known, id)
		}
	}
	c.known[one.sweep] = one
}

// newCourse brings a plan to where the tracker says that its searches are.
func newCourse(ctx context.Context, r tracker.Reader, sweepID int64, revision int, plan *Plan) (*course, error) {
	selection, err := ParseSelection(plan.Metric.Select)
	if err != nil {
		return nil, fmt.Errorf("read selection rule: %w", err)
	}
	c := &course{
		sweep: sweepID, revision: revision, plan: plan, metric: selection.Metric(), fresh: true,
		runs: map[Hash]tracker.Standing{}, place: map[Hash]place{}, cells: make([]cellCourse, len(plan.Cells)),
	}
	var states map[tracker.SearchKey]tracker.SearchState
	var known map[Cell]bool
	if plan.adaptive() {
		if states, err = r.Searches(ctx, sweepID); err != nil {
			return nil, err
		}
		if known, err = plan.attach(states); err != nil {
			return nil, err
		}
	}
	for i := range plan.Cells {
		cell := &plan.Cells[i]
		if !cell.Searched {
			continue
		}
		if known[cell.Cell] {
			state := states[cell.Cell.key()]
			c.cells[i].stored, c.cells[i].snapshot = true, state.Decisions
			c.cells[i].decisions = state.Decisions + len(state.Further)
		}
		if err := c.enter(i, 0); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// enter takes the trials of a cell from a place on into the course.
func (c *course) enter(i, from int) error {
	cell := &c.plan.Cells[i]
	add := func(t *Trial) error {
		var hash Hash
		if t != nil {
			var err error
			if hash, err = t.run(PhaseSearch, c.plan.SearchSeed).Hash(); err != nil {
				return err
			}
			c.place[hash] = place{i, len(c.cells[i].trials)}
			c.cells[i].trained++
			if r, ok := c.runs[hash]; !ok || !r.State.Ended() {
				c.cells[i].open++
			}
		}
		c.cells[i].trials = append(c.cells[i].trials, hash)
		return nil
	}
	if cell.machine == nil {
		for k := range cell.Trials[from:] {
			if err := add(&cell.Trials[from+k]); err != nil {
				return err
			}
		}
		return nil
	}
	for _, t := range cell.machine.Trials()[from:] {
		var trial *Trial
		if cell.trains(t) {
			made := cell.Adaptive.trial(t)
			trial = &made
		}
		if err := add(trial); err != nil {
			return err
		}
	}
	return nil
}

// set takes note of where a run stands.
func (c *course) set(hash Hash, s tracker.Standing) {
	old, was := c.runs[hash]
	is := s.Planned || s.State != tracker.Cancelled // else it was dropped from an earlier plan: as if it did not exist
	if p, ok := c.place[hash]; ok {
		if was && old.State.Ended() {
			c.cells[p.cell].open++
		}
		if is && s.State.Ended() {
			c.cells[p.cell].open--
		}
	}
	c.count(old, was, -1)
	c.count(s, is, 1)
	if is {
		c.runs[hash] = s
	} else {
		delete(c.runs, hash)
	}
}

func (c *course) count(s tracker.Standing, exists bool, n int) {
	switch {
	case !exists || !s.Planned:
	case s.State.Ended():
		c.ended += n
	default:
		c.open += n
	}
}

// read takes what has changed and answers the cells and trials that it is about.
func (c *course) read(ctx context.Context, r tracker.Reader) (map[int][]int, error) {
	changed, last, err := r.Standings(ctx, c.sweep, c.event, c.metric)
	if err != nil {
		return nil, err
	}
	c.event = last
	touched := map[int][]int{}
	for _, s := range changed {
		if len(s.Hash) != len(Hash{}) {
			continue
		}
		hash := Hash(s.Hash)
		c.set(hash, s)
		if p, ok := c.place[hash]; ok {
			touched[p.cell] = append(touched[p.cell], p.trial)
		}
	}
	if c.fresh {
		for i := range c.cells {
			touched[i] = nil
			for n := range c.cells[i].trials {
				touched[i] = append(touched[i], n)
			}
		}
	}
	return touched, nil
}

// wants is what the tracker is to be told of the plan.
type wants struct {
	runs []RunSpec // that do not exist, or that the tracker takes for dropped
	full bool      // runs is all of the plan
}

// look finds the runs that should exist now and do not, in the given cells.
func (c *course) look(touched map[int][]int) (wants, error) {
	var w wants
	for i := range touched {
		was := c.cells[i].replicates
		if err := c.settle(i); err != nil {
			return w, err
		}
		for _, hash := range was {
			w.full = w.full || !slices.Contains(c.cells[i].replicates, hash)
		}
	}
	w.full = w.full || c.fresh
	if w.full {
		as, err := c.asPlanned()
		if err != nil || as {
			return wants{}, err
		}
	}
	for i := range c.plan.Cells {
		if _, ok := touched[i]; !ok && !w.full {
			continue
		}
		if err := c.each(i, touched[i], w.full, func(hash Hash, spec func() RunSpec) {
			if r, ok := c.runs[hash]; w.full || !ok || !r.Planned {
				w.runs = append(w.runs, spec())
			}
		}); err != nil {
			return w, err
		}
	}
	return w, nil
}

// asPlanned reports whether the tracker has all runs of the plan and no others.
func (c *course) asPlanned() (bool, error) {
	wanted := make(map[Hash]bool, len(c.runs))
	for i := range c.plan.Cells {
		if err := c.each(i, nil, true, func(hash Hash, _ func() RunSpec) { wanted[hash] = true }); err != nil {
			return false, err
		}
	}
	planned := 0
	for hash, r := range c.runs {
		if r.Planned {
			if !wanted[hash] {
				return false, nil
			}
			planned++
		}
	}
	return planned == len(wanted), nil
}

// each calls f for the runs of a cell that are wanted: its replicates, and of the
// search the given trials or all of them.
func (c *course) each(i int, trials []int, all bool, f func(Hash, func() RunSpec)) error {
	cell := &c.plan.Cells[i]
	one := func(n int) {
		if hash := c.cells[i].trials[n]; hash != (Hash{}) {
			f(hash, func() RunSpec { return cell.at(n).run(PhaseSearch, c.plan.SearchSeed) })
		}
	}
	switch {
	case !all:
		for _, n := range trials {
			one(n)
		}
	default:
		for n := range c.cells[i].trials {
			one(n)
		}
	}
	if len(c.cells[i].replicates) == 0 {
		return nil
	}
	number := 0
	if w := c.cells[i].winner; w != nil {
		number = w.Trial
	}
	t, ok := cell.trial(number)
	if !ok {
		return fmt.Errorf("cell %s has no trial %d", cell.Cell, number)
	}
	for k, hash := range c.cells[i].replicates {
		f(hash, func() RunSpec { return t.run(PhaseReplicate, c.plan.Seeds[k]) })
	}
	return nil
}

// settle finds the winner of a cell whose search has ended, and its replicates.
func (c *course) settle(i int) error {
	cell, known := &c.plan.Cells[i], &c.cells[i]
	number := 0
	if cell.Searched {
		known.winner, known.settled = nil, false
		if known.open > 0 || cell.Adaptive != nil && !cell.machine.Finished() {
			known.replicates = nil
			return nil
		}
		known.settled = true
		for n, hash := range known.trials {
			r, ok := c.runs[hash]
			if !ok || r.State != tracker.Done || math.IsNaN(r.Value) {
				continue
			}
			if known.winner == nil || better(c.plan.Metric.SelectGoal, r.Value, known.winner.Value) {
				known.winner = &Winner{Cell: cell.Cell, Trial: cell.at(n).Number, Value: r.Value}
			}
		}
		if known.winner == nil {
			known.replicates = nil
			return nil
		}
		number = known.winner.Trial
	}
	t, ok := cell.trial(number)
	known.replicates = nil
	if !ok {
		return nil
	}
	for _, seed := range c.plan.Seeds {
		hash, err := t.run(PhaseReplicate, seed).Hash()
		if err != nil {
			return err
		}
		known.replicates = append(known.replicates, hash)
	}
	return nil
}

// follow makes the tracker's runs those that are wanted and answers those that now
// wait because of it.
func (c *course) follow(ctx context.Context, tx pgx.Tx, store *tracker.Store, w wants, until map[Hash]int) ([]tracker.Run, error) {
	if len(w.runs) == 0 && !w.full {
		return nil, nil
	}
	wanted := make([]tracker.PlannedRun, len(w.runs))
	in := make(map[Hash]bool, len(w.runs))
	for i, spec := range w.runs {
		var err error
		if wanted[i], err = planned(spec, c.plan.Retry); err != nil {
			return nil, err
		}
		hash := Hash(wanted[i].Hash)
		wanted[i].Until = until[hash]
		in[hash] = true
		if s, ok := c.runs[hash]; ok && !s.Planned {
			s.Planned = true
			c.set(hash, s)
		}
	}
	if w.full { // the tracker drops the others, or lets them end
		for hash, s := range c.runs {
			if s.Planned && !in[hash] {
				s.Planned = false
				if s.State == tracker.Queued || s.State == tracker.Paused {
					s.State = tracker.Cancelled
				}
				c.set(hash, s)
			}
		}
	}
	return store.PlanRuns(ctx, tx, c.sweep, wanted, w.full)
}

// expected counts the runs of the whole sweep, as far as that is known, and says
// whether the plan wants no more than there are.
func (c *course) expected() (n int, complete bool) {
	complete = true
	for i, cell := range c.plan.Cells {
		known := &c.cells[i]
		n += len(known.replicates) + known.trained
		if cell.machine != nil && !cell.machine.Finished() {
			n += cell.machine.Budget() - len(cell.machine.Trials())
		}
		if cell.Searched && !known.settled {
			complete = false
			n += len(c.plan.Seeds)
		}
	}
	return n, complete
}

// progressDetail is what Status shows beside numbers.
type progressDetail struct {
	Winners []Winner     `json:"winners,omitempty"`
	Rungs   []RungStatus `json:"rungs,omitempty"`
}

// progress is what a look at the plan has found.
func (c *course) progress() (tracker.Progress, error) {
	p := tracker.Progress{Revision: c.revision, Ended: c.ended}
	p.Expected, p.Complete = c.expected()
	detail := progressDetail{Rungs: rungsOf(c.plan)}
	for i := range c.cells {
		if w := c.cells[i].winner; w != nil {
			detail.Winners = append(detail.Winners, *w)
		}
	}
	var err error
	if p.Detail, err = json.Marshal(detail); err != nil {
		return p, fmt.Errorf("encode progress: %w", err)
	}
	return p, nil
}

// keepProgress stores what a look at the plan has found, if that is new.
func (c *course) keepProgress(ctx context.Context, tx pgx.Tx, store *tracker.Store) error {
	p, err := c.progress()
	if err != nil {
		return err
	}
	if p.Revision == c.kept.Revision && p.Ended == c.kept.Ended && p.Expected == c.kept.Expected &&
		p.Complete == c.kept.Complete && bytes.Equal(p.Detail, c.kept.Detail) {
		return nil
	}
	c.kept = p
	return store.KeepProgress(ctx, tx, c.sweep, p)
}

// existing counts the runs of the plan that were there when it was last looked at,
// and those of them that are done.
func (c *course) existing() (n, done int) {
	for _, r := range c.runs {
		if r.Planned {
			n++
			if r.State == tracker.Done {
				done++
			}
		}
	}
	return n, done
}
