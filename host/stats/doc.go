// Package stats measures predictions and compares them: metrics with exact
// ties and weights, intervals over seeds and over patients, paired tests, and
// the table behind "deconfound compare".
//
// It is pure computation: it never imports a database, a plugin or any other
// package of the host, and every random draw comes from a stream the caller
// seeds. Start with Evaluate for one set of predictions, with Compare for many
// runs, with Summarize for many tables, and with Design for what a comparison can
// find.
//
// # Conventions
//
// Scores, labels and weights are float64. Weights may be nil, which means one
// each; a weight counts rows, so that weight 2 is the same as having the row
// twice. A NaN label is unknown and its row is left out. A NaN score of a row
// whose label is known makes the metric NaN: a broken prediction must not
// vanish. Labels other than 0 and 1, negative or infinite weights, and, where
// probabilities are needed, scores outside [0, 1] also make it NaN. Slices of
// different length are a programmer's mistake and panic.
package stats
