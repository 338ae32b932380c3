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

	// ErrNotOwner says that only the owner of the sweep may do this.
	ErrNotOwner = errors.New("not the owner of the sweep")
)
