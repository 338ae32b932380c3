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
// # Limits of verdicts
//
// A verdict needs two things where both can be had: that an effect is certain, 0
// lying outside the 95 % limits or p below 0.05, and that it is large enough to
// matter. Certainty alone would condemn every model that is tested on enough rows,
// size alone every small test set. The sizes are conventions. An AUROC that moves by
// less than 0.01 or 0.02 is within what another seed makes of the same model; one
// that moves by 0.05 turns a ranking of methods round, since these differ by less.
// Probabilities count from 0.02 and 0.05. Where a field has a convention it is
// taken: a standardised difference of 0.1, propensities in 0.05 to 0.95, an effective
// size of 0.3, p of 0.05 and 0.01. Each function states its own.
//
// # Conventions
//
// Matrices are row-major slices with their width. Availability is a bit mask for
// each row, bit b for block b. A figure that does not exist (too few rows, one
// class only, no variation) is NaN, and its Finding has no verdict and a reason
// that says what was lacking. Slices of different length are a programmer's
// mistake and panic.
package diagnose
