// Package diagnose holds the causal diagnostics: what is missing and why, whether
// it can be adjusted for, what a model took from the pattern of what is missing,
// how independent two representations are, and how strong a confounder nobody
// measured would have to be.
//
// It is pure computation over slices: no database, no process, no other package
// of the host but stats. Every random draw comes from a generator of the caller.
// Start with Audit for a dataset, with JudgeResidual for the predictions of a run,
// and with EValue and Refuters for an effect that was found. A Finding is the form
// in which a diagnostic is shown and stored.
//
// # Conventions
//
// Matrices are row-major slices with their width. Availability is a bit mask for
// each row, bit b for block b. A figure that does not exist (too few rows, one
// class only, no variation) is NaN, and its Finding has no verdict and a reason
// that says what was lacking. Slices of different length are a programmer's
// mistake and panic.
package diagnose
