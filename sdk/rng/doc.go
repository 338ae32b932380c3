// Package rng makes random generators that depend on nothing but a seed and a
// list of labels.
//
// A draw is named by its purpose ("dropout", step 17), never by its place in a
// sequence of draws: the same labels give the same stream on every machine,
// whatever ran before, so a run gives the same bits after a restart, in any
// number of slices, and next to any other run.
//
// The package imports nothing of this module.
package rng
