// Package backbone is the short way to write a backbone plugin: an author writes
// a [Model], and sessions, feature reading, checks, the optimiser step, snapshots
// and seeded randomness are done here.
//
// The whole program of a plugin is
//
//	func main() { serve.Backbone(backbone.New(info, build)) }
//
// where build turns a [Config] into a Model. There are two ways to a Model: a
// forward pass on a tape of sdk/nn ([TapeModel], [FromTape]), or a gorgonia graph
// (package sdk/graph). Which one is a matter of the file that builds the model;
// nothing else knows.
//
// # What a model may rely on
//
//   - A [Batch] gives features only for the rows that have a modality, so that the
//     values of missing modalities cannot leak into h.
//   - Features are standardised and finite.
//   - Batch.Rand is nil outside training and otherwise depends on the seed and the
//     step alone, so that a restored session goes on with the same bits.
//
// # What a model must keep
//
//   - h has Config.Width values a row, and in eval mode depends on nothing but the
//     row itself if the plugin declares BatchIndependent.
//   - State that is not a parameter (running statistics) goes through [Stateful].
//
// The package never imports gorgonia: a plugin that does not need it does not link
// it.
package backbone
