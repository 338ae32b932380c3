// Package train is the run loop: it trains one configuration on one split and
// reports what it learnt.
//
// One step is: row ids and availability go to the backbone plugin, which
// answers the representation h; the head (host/causal) turns h into logits and
// per-row losses; a strategy plugin, if there is one, turns those into sample
// weights and penalty gradients; the gradient with respect to h goes back to
// the backbone, which updates its own parameters.
//
// A run advances in slices. A slice ends in a checkpoint at an epoch boundary,
// and a run gives the same bits whatever the number of slices, workers and
// restarts: every random draw is keyed by (seed, purpose, epoch or step), never
// by a generator that lives across epochs.
//
// What the loop guarantees:
//   - a plugin sees training labels only, and only for the rows of a batch;
//   - early stopping and the choice of the best epoch see validation rows only;
//   - the test rows are scored once, after the best epoch has been restored;
//   - an epoch is a candidate for "best" only once every stage of the variant is
//     active (a warm-up epoch of a deconfounding variant is plain risk
//     minimisation, and would often win on validation data).
//
// The package does no database access and starts no process: plugins reach it
// as sdk sessions, results leave it through a Recorder. Start at Run and Slice.
package train
