package tracker

import "errors"

var (
	// ErrStale says that a run cannot be claimed with this fence: somebody else
	// has it, had it, or its sweep is paused or cancelled. The job that carried
	// the fence has nothing left to do.
	ErrStale = errors.New("run is not waiting under this fence")

	// ErrFenced says that a lease is no longer valid: the run was given to
	// another worker, paused for good, or cancelled. Nothing was written; the
	// holder stops working on the run.
	ErrFenced = errors.New("lease is fenced off")

	// ErrNotFound says that no such sweep, run or artifact exists.
	ErrNotFound = errors.New("not found")

	// ErrOtherKey says that a dataset's unit hashes here and those recorded were
	// made with two installation keys, so that the same patient has two hashes.
	ErrOtherKey = errors.New("the unit hashes were made with another installation key")

	// ErrNotImported says that a sweep of the name exists whose runs are its own.
	ErrNotImported = errors.New("a sweep of this name exists that was not imported")

	// ErrNotOwner says that only the owner of the sweep may do this.
	ErrNotOwner = errors.New("not the owner of the sweep")
)
