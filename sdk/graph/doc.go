// Package graph lets an author write a backbone as a gorgonia graph. The author
// writes a function from a [Builder], which has the inputs and makes parameters,
// to the node h [MaxBatch, Width]; [New] makes a backbone.Model of it:
//
//	func build(c backbone.Config) (backbone.Model, error) {
//		return graph.New(c, func(b *graph.Builder) *gorgonia.Node {
//			x := b.ReLU(b.Dense("hidden", b.Features(0), 64))
//			return b.Dense("out", b.Dropout(x, c.Float("dropout")), c.Width)
//		})
//	}
//
// # What is done for the author
//
//   - The batch of a graph is fixed. Smaller batches are padded with
//     rows of zeros, whose dh is zero; so no operation may mix rows.
//   - Gorgonia is the language and differentiates; the graph is run by a program of
//     this package, on the goroutine of the caller, which reuses its memory. Fused
//     operations next to each other run as one, on one tape, with a ReLU as part of
//     the linear map before it and matrices side by side read one by one. What does
//     not lead to h is left out. A graph of fused operations alone is as fast as a
//     backbone on a tape and allocates nothing in a steady step (BenchmarkPeer); a
//     stock operation in between costs its own time and memory.
//   - What a modality has where it is missing is one row: see [Builder.Part].
//   - Training is split between host and plugin: an exchange operation divides the
//     program in a half that ends with h and one that begins with dh, so the forward
//     pass runs once. An abandoned forward pass leaves nothing behind.
//   - Parameters are nn.Params, read where they lie; their gradients are written to
//     Param.Grad by the kernels, or added to it at the end where stock operations
//     read a parameter. The optimiser is that of the session. Gorgonia's own solvers
//     are not used: its AdamW never changes parameters, and gradients bound to nodes
//     accumulate.
//   - Dropout masks are inputs, drawn from the batch's stream.
//
// # Operations
//
// The methods of Builder are fused operations over the kernels of sdk/nn, with the
// same bits as on a tape. [Builder.Fused], [Builder.Block] and [Builder.Part] make new ones of any
// function on an nn.Tape. Stock gorgonia operations may be mixed in, except those
// that are known to give wrong results or to be beyond the reach of seeds and
// snapshots; New refuses these and says why. Products of stock operations are those
// of sdk/nn, for all graphs of the process. Every value is a float32 matrix.
//
// This is the only package of the SDK that imports gorgonia.
package graph
