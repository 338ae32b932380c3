package tracker

// State is where a run is in its life.
type State string

// The states of a run. Queued, Running and Paused are open; the others are ends,
// from which only RetryRuns leads back.
const (
	Queued    State = "queued"    // waiting for a worker; the River job carries its fence
	Running   State = "running"   // a worker holds its lease
	Paused    State = "paused"    // its sweep is paused, or it is held at a rung
	Done      State = "done"      // finished, results are stored
	Failed    State = "failed"    // an attempt failed and no other is due
	Cancelled State = "cancelled" // by the user, or no longer part of the plan
	Lost      State = "lost"      // its worker died and no attempt is left
	Pruned    State = "pruned"    // ended early by the search method; no failure
)

// Ended says whether nothing more will happen by itself.
func (s State) Ended() bool {
	return s == Done || s == Failed || s == Cancelled || s == Lost || s == Pruned
}

// Phase is the part of a sweep that a run belongs to.
type Phase string

// The phases of a sweep.
const (
	Search    Phase = "search"    // trials that look for a configuration
	Replicate Phase = "replicate" // each cell's winner again, on matched seeds
)
