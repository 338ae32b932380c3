package sweeps

import (
	"context"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

// RunFunc trains one slice of a run: from the checkpoint (nil for the first
// slice) until the run has ended, the budget is used up or rec.Pause answers
// true, whichever is first. It may pass the budget to finish an epoch.
//
// ctx is cancelled when the result would be thrown away: the run was cancelled
// or given to another worker, or the process must stop at once. What RunFunc
// returns is then ignored.
//
// An error ends the attempt. Two optional methods, found with errors.As, say
// more about it: Code() string, the cause by which [run] retry decides, and
// Log() string, the last lines of the run's log. An error without a code has the
// code "error". A panic is an error with the code "panic".
type RunFunc func(ctx context.Context, spec RunSpec, checkpoint []byte, rec Recorder, budget time.Duration) (Slice, error)

// Slice is what RunFunc returns.
type Slice struct {
	// Done says that the run has ended; Outcome is then not nil. Otherwise
	// Checkpoint holds all that is needed to go on.
	Done       bool
	Epoch      int // completed epochs
	Epochs     int // of the whole run
	Checkpoint []byte
	Outcome    *tracker.Outcome
	Memory     tracker.Memory // peak of the slice; zero if it was not measured
}

// Recorder takes the values of a run while it trains. It is used by one
// goroutine.
type Recorder interface {
	// Points records values at a step. The same step may come again, after a
	// restart, with the same values. An error says that the slice should end:
	// its result would be thrown away.
	Points(step int, values map[tracker.Metric]float64) error
	// Progress tells people that watch how many epochs are completed.
	Progress(epoch int)
	// Pause says whether to end the slice at the next checkpoint, because its
	// budget is used up or the worker stops.
	Pause() bool
}

// Codes of failures that this package itself gives.
const (
	CodeError   = "error"   // RunFunc failed and gave no code
	CodePanic   = "panic"   // RunFunc panicked
	CodeTimeout = "timeout" // a slice lasted longer than SliceTimeout
	CodeSpec    = "spec"    // the stored run cannot be read by this program
	CodeLost    = "lost"    // the worker died; given by the tracker
	// CodeDiskFull says that there was no room on a disk of the worker.
	CodeDiskFull = "disk_full"
)
