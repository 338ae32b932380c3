package search

import (
	"encoding/json"
	"math"
)

// EventKind says what has happened.
type EventKind string

// The kinds of events.
const (
	// Start asks for the first trials; a machine gets it once, and again after
	// its configuration was extended.
	Start EventKind = "start"
	// Report says that a trial has trained until Epoch, where it was told to
	// stop, and waits.
	Report EventKind = "report"
	// End says that a trial has been trained to its end.
	End EventKind = "end"
	// Fail says that a trial has no value and nobody will try it again by himself.
	Fail EventKind = "fail"
	// Offered is a point for the trial that Ask asked about, see Offer.
	Offered EventKind = "offered"
)

// Event is something that has happened to a trial.
type Event struct {
	Kind  EventKind `json:"kind"`
	Trial int       `json:"trial"`
	Epoch int       `json:"epoch,omitempty"` // completed
	// Value is the selection metric on validation rows: at Epoch in a Report, of
	// the best epoch in an End. Best and Mean are over the epochs until Epoch, in
	// a Report. NaN when it is not defined.
	Value Number `json:"value"`
	Best  Number `json:"best"`
	Mean  Number `json:"mean"`
	Point Point  `json:"point,omitempty"` // of Offered
}

// ActionKind says what is to be done.
type ActionKind string

// The kinds of actions.
const (
	Create   ActionKind = "create"   // train a new trial until epoch Until
	Continue ActionKind = "continue" // let a waiting trial go on until epoch Until
	Prune    ActionKind = "prune"    // end a waiting trial for good
)

// Action is what the machine wants done about a trial.
type Action struct {
	Kind  ActionKind `json:"kind"`
	Trial int        `json:"trial"`
	Point Point      `json:"point,omitempty"` // of Create
	Until int        `json:"until,omitempty"`
}

// Number is a float64 whose JSON can be NaN (null).
type Number float64

// MarshalJSON writes NaN and infinities as null.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads null as NaN.
func (n *Number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(n))
}

func (n Number) nan() bool { return math.IsNaN(float64(n)) }
