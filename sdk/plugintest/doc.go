// Package plugintest is the conformance suite of the contract in package sdk:
// what every backbone and every strategy must pass, whatever it is written in.
//
// A plugin in Go runs it in its own tests,
//
//	func TestPlugin(t *testing.T) { plugintest.Backbone(t, backbone.New(info, build)) }
//
// and "deconfound plugin check" runs it through the real process. The suite sees
// a plugin through the contract alone: gradients are measured from snapshots
// before and after a step, what lies behind a missing modality is changed in the
// feature store, and the state of a session is whatever Snapshot and Restore say
// it is. It writes small feature stores into a temporary directory and draws
// everything from fixed seeds, so that two runs do the same.
//
// # The checks of a backbone
//
//   - info: the description is valid and stays the same
//   - hyperparameters: a step at every bound and choice
//   - shape: h is [rows, width] and finite, for every task, several widths and
//     batch sizes
//   - determinism: one seed gives the same bits twice, another seed others
//   - availability: every pattern works, also one the data do not have, and a row
//     without any modality
//   - mask: values behind a missing or hidden modality change no bit of h and of
//     the gradients
//   - erasure: directions to erase are taken out of the features, if that is
//     promised
//   - gradients: they agree with finite differences, auxiliary losses included
//   - parameters: each has an effect
//   - rows: h follows its row when a batch is permuted
//   - batch: h of a row does not depend on the others, if that is promised
//   - snapshot: a restored session goes on with the same bits
//   - sessions: they do not influence each other
//   - slices: those of a request are neither written to nor kept
//   - refusals: bad requests are refused with the right code and do no harm
//   - cancel: a call that the host gives up harms nothing else
//   - close: a session can be closed twice and at any time
//
// and, of a process of its own,
//
//   - wire: messages and frames that break the contract are refused and do no harm
//   - restart: another process trains with the same bits, and goes on from a snapshot
//   - resources: memory, open files and threads do not grow with steps and sessions
//   - host: nothing is left when the host is killed
//
// # The checks of a strategy
//
//   - info, hyperparameters, determinism, snapshot, sessions, slices, refusals, cancel
//     and close are as above, and so are wire, restart, resources and host
//   - augment: a row is shown a part of what it has, never nothing, drawn from the
//     seed and the step alone
//   - objective: weights are finite and not negative, gradients have their shapes
//   - gradients: those of the penalty agree with finite differences
//   - stages, mixing and post-hoc, each if the capabilities declare it: stages begin
//     one after the other and a session goes on from each; partners are rows of the
//     batch, drawn from the seed and the step alone; a fit forgets the one before, is
//     in the snapshot, copes with one class, one group or one row, and every adjusted
//     prediction is a probability that owes nothing to other rows
//
// # The checks of a sampler
//
//   - info, hyperparameters, refusals, cancel, restart, resources and host are as above
//   - proposals: points are in the space, whatever its dimensions
//   - determinism: one request gives the same point twice, another seed or trial others
//   - history: none, one and many trials, pending, pruned, failed, without a value, with
//     NaN or with parameters that conditions take away
//   - refused: after a point that constraints refuse comes another
//   - searches: proposals for other searches in between change nothing
//
// Start at [CheckBackbone], [CheckStrategy] and [CheckSampler], which answer one [Result] a
// check. The package imports packages of the SDK only.
package plugintest
