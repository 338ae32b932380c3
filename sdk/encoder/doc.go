// Package encoder turns every modality of a batch into an embedding of one width:
// a two-layer network for a table, a gated recurrent network for a sequence, a
// linear map for the output of a frozen encoder.
//
// Only rows that have a modality are read and computed: they are gathered,
// encoded, and scattered into a matrix that is zero in the other rows. At 40 %
// missing that saves 40 % of the work, and no value of a missing modality can
// reach the model.
//
// Start at [New] and [Set.Encode]; a backbone plugin that wants the usual two
// hyperparameters takes [Hyperparameters] and [For]. The package never imports
// gorgonia; a graph uses it through graph.Builder.Encode.
package encoder
