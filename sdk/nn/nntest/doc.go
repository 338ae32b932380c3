// Package nntest compares gradients with central finite differences.
//
// It imports sdk/nn and sdk/rng and is for tests alone. Start at CheckTape for
// what is recorded on a tape, and at CheckGradients for anything that adds to the
// Grad of parameters.
package nntest
