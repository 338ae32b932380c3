package sweeps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sweeps/search"
	"github.com/deconfound/deconfound/tracker"
)

// Status is how far a sweep has come.
type Status struct {
	ID       int64  `json:"sweep_id"`
	Name     string `json:"name"`
	Revision int    `json:"revision"`
	Paused   bool   `json:"paused"`
	// PauseReason says why the sweep has paused by itself, e.g. that its budget is
	// used up; empty when somebody paused it.
	PauseReason string `json:"pause_reason,omitempty"`
	Cancelled   bool   `json:"cancelled"`
	// Finished says that every run the plan asks for has ended, also if some of
	// them failed.
	Finished bool `json:"finished"`
	// Expected counts the runs of the whole sweep, as far as that is known:
	// replicates of cells that are still being searched are counted too.
	Expected int `json:"expected"`
	// New counts the runs that Run enqueued when it began; it is 0 elsewhere.
	New     int `json:"new"`
	Queued  int `json:"queued"`
	Running int `json:"running"`
	Held    int `json:"held"` // paused, or waiting at a rung
	Done    int `json:"done"`
	Failed  int `json:"failed"` // failed and lost
	Stopped int `json:"stopped"`
	Pruned  int `json:"pruned"` // ended early by the search, which is no failure
	// Epochs and EpochsPlanned are of the runs that exist.
	Epochs        int          `json:"epochs"`
	EpochsPlanned int          `json:"epochs_planned"`
	Active        []RunStatus  `json:"active"`   // being trained
	Failures      []RunFailure `json:"failures"` // failed and lost
	Winners       []Winner     `json:"winners"`
	// Waiting says why no worker takes runs that wait; empty while somebody can.
	Waiting []string `json:"waiting,omitempty"`
	// Rungs say how the trials of all cells have passed each rung of an early stop.
	Rungs []RungStatus `json:"rungs,omitempty"`
}

// RungStatus is a point where an early stop decides.
type RungStatus struct {
	Epoch   int `json:"epoch"`
	Reached int `json:"reached"` // trials that have been trained until there
	Waiting int `json:"waiting"` // of those, for a decision
	Passed  int `json:"passed"`
	Pruned  int `json:"pruned"`
}

// RunStatus is a run that is being trained.
type RunStatus struct {
	Run    int64  `json:"run_id"`
	Cell   Cell   `json:"cell"`
	Phase  string `json:"phase"`
	Trial  int    `json:"trial"`
	Seed   int64  `json:"seed"`
	Epoch  int    `json:"epoch"`
	Epochs int    `json:"epochs"`
}

// RunFailure is a run that failed or was lost.
type RunFailure struct {
	RunStatus
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Ended counts the runs that have ended.
func (s Status) Ended() int { return s.Done + s.Failed + s.Stopped + s.Pruned }

// Open reports whether a run waits or is being trained.
func (s Status) Open() bool { return s.Queued+s.Running > 0 }

// Hint says what to do next, in one line; empty when there is nothing to do.
func (s Status) Hint() string {
	switch {
	case s.Cancelled:
		return "cancelled; `deconfound sweep resume " + s.Name + "` goes on"
	case s.Paused && s.PauseReason != "" && !s.SpentBudget():
		return "paused: " + s.PauseReason + "; mend that and run the sweep file again"
	case s.Paused && s.PauseReason != "":
		return "paused: " + s.PauseReason + "; raise [budget] in the sweep file and run it again"
	case s.Paused:
		return "paused; `deconfound sweep resume " + s.Name + "` goes on"
	case s.Finished && s.Failed > 0:
		return fmt.Sprintf("%d of %d runs failed; `deconfound sweep retry %s` tries them again", s.Failed, s.Expected, s.Name)
	case s.Finished:
		return ""
	}
	return "not finished; run the same sweep file again to go on from the last checkpoints"
}

// SpentBudget reports whether the sweep has paused because its budget is used up.
func (s Status) SpentBudget() bool { return s.Paused && strings.HasPrefix(s.PauseReason, budgetReason) }

// StatusOf reads the status of a sweep. It changes nothing.
func StatusOf(ctx context.Context, store *tracker.Store, name string) (Status, error) {
	sweep, err := store.SweepHead(ctx, "", name)
	if err != nil {
		return Status{}, err
	}
	return statusOf(ctx, store, sweep)
}

// statusOf reads the status of a sweep, of which it needs the head. It counts the
// runs, and takes from the last look at the plan what only that knows: a sweep of
// ten thousand runs has megabytes of plan.
func statusOf(ctx context.Context, store *tracker.Store, sweep tracker.Sweep) (Status, error) {
	// Read before the runs: a run that ends in between makes the sweep unfinished.
	progress, err := store.Progress(ctx, sweep.ID)
	if errors.Is(err, tracker.ErrNotFound) {
		progress, err = progressOf(ctx, store.Reader, sweep.ID)
	}
	if err != nil {
		return Status{}, err
	}
	tallies, err := store.Tallies(ctx, sweep.ID)
	if err != nil {
		return Status{}, err
	}
	planned := true
	shown := tracker.RunFilter{SweepID: sweep.ID, Planned: &planned, States: []tracker.State{tracker.Running, tracker.Failed, tracker.Lost}}
	runs, err := store.Runs(ctx, shown)
	if err != nil {
		return Status{}, err
	}
	s := Status{
		ID: sweep.ID, Name: sweep.Name, Revision: sweep.Revision, Expected: progress.Expected,
		Paused: sweep.PausedAt != nil, PauseReason: sweep.PauseReason, Cancelled: sweep.CancelledAt != nil,
	}
	for state, tally := range tallies {
		s.count(state, tally)
	}
	for _, r := range runs {
		s.show(r)
	}
	if s.Queued > 0 {
		if s.Waiting, err = waiting(ctx, store.Reader, sweep.ID); err != nil {
			return Status{}, err
		}
	}
	var detail progressDetail
	if err := json.Unmarshal(progress.Detail, &detail); err != nil {
		return Status{}, fmt.Errorf("read progress of sweep %s: %w", sweep.Name, err)
	}
	s.Winners, s.Rungs = detail.Winners, detail.Rungs
	// A run that ended since the last look may ask for others.
	s.Finished = !s.Open() && s.Held == 0 && !s.Cancelled &&
		progress.Complete && progress.Revision == sweep.Revision && progress.Ended == s.Ended()
	return s, nil
}

// progressOf looks at the plan of a sweep whose progress was not kept by the program
// that worked on it.
func progressOf(ctx context.Context, r tracker.Reader, sweepID int64) (tracker.Progress, error) {
	sweep, err := r.SweepByID(ctx, sweepID)
	if err != nil {
		return tracker.Progress{}, err
	}
	plan, err := StoredPlan(sweep)
	if err != nil {
		return tracker.Progress{}, err
	}
	c, err := newCourse(ctx, r, sweepID, sweep.Revision, plan)
	if err != nil {
		return tracker.Progress{}, err
	}
	touched, err := c.read(ctx, r)
	if err != nil {
		return tracker.Progress{}, err
	}
	w, err := c.look(touched)
	if err != nil {
		return tracker.Progress{}, err
	}
	p, err := c.progress()
	for _, spec := range w.runs {
		hash, err := spec.Hash()
		if err != nil {
			return p, err
		}
		_, ok := c.runs[hash]
		p.Complete = p.Complete && ok
	}
	return p, err
}

// rungsOf adds up how the trials of a plan have passed the rungs.
func rungsOf(plan *Plan) []RungStatus {
	byEpoch := map[int]*RungStatus{}
	for _, cell := range plan.Cells {
		if cell.machine == nil {
			continue
		}
		for _, epoch := range cell.machine.Rungs() {
			if byEpoch[epoch] == nil {
				byEpoch[epoch] = &RungStatus{Epoch: epoch}
			}
		}
		if len(cell.machine.Rungs()) == 0 {
			continue
		}
		for _, t := range cell.machine.Trials() {
			for i, report := range t.Reports {
				rung := byEpoch[report.Epoch]
				rung.Reached++
				switch last := i == len(t.Reports)-1; {
				case last && t.State == search.Waiting:
					rung.Waiting++
				case last && t.State == search.Pruned:
					rung.Pruned++
				default:
					rung.Passed++
				}
			}
		}
	}
	var out []RungStatus
	for _, epoch := range slices.Sorted(maps.Keys(byEpoch)) {
		out = append(out, *byEpoch[epoch])
	}
	return out
}

func (s *Status) count(state tracker.State, t tracker.Tally) {
	s.EpochsPlanned += t.Epochs
	switch {
	case state.Ended():
		s.Epochs += t.Epochs // it may have stopped early
	default:
		s.Epochs += t.Epoch
	}
	switch state {
	case tracker.Queued:
		s.Queued += t.Runs
	case tracker.Running:
		s.Running += t.Runs
	case tracker.Paused:
		s.Held += t.Runs
	case tracker.Done:
		s.Done += t.Runs
	case tracker.Failed, tracker.Lost:
		s.Failed += t.Runs
	case tracker.Pruned:
		s.Pruned += t.Runs
	case tracker.Cancelled:
		s.Stopped += t.Runs
	}
}

// show lists a run that is being trained, failed or was lost.
func (s *Status) show(r tracker.Run) {
	run := RunStatus{
		Run: r.ID, Cell: Cell{r.Dataset, r.Backbone, r.Variant}, Phase: string(r.Phase), Trial: r.Trial,
		Seed: r.SplitSeed, Epoch: r.Epoch, Epochs: r.Epochs,
	}
	if r.State == tracker.Running {
		s.Active = append(s.Active, run)
		return
	}
	message, _, _ := strings.Cut(r.ErrorMessage, "\n")
	message = strings.TrimSuffix(message, "; its last lines:") // which follow
	s.Failures = append(s.Failures, RunFailure{RunStatus: run, Code: r.ErrorCode, Message: message})
}

// same reports whether nothing that people see has changed.
func (s Status) same(o Status) bool {
	return s.Revision == o.Revision && s.Paused == o.Paused && s.Cancelled == o.Cancelled && s.Finished == o.Finished &&
		s.Expected == o.Expected && s.Queued == o.Queued && s.Running == o.Running && s.Held == o.Held &&
		s.Done == o.Done && s.Failed == o.Failed && s.Stopped == o.Stopped && s.Pruned == o.Pruned && s.Epochs == o.Epochs &&
		slices.Equal(s.Active, o.Active) && slices.Equal(s.Waiting, o.Waiting)
}
