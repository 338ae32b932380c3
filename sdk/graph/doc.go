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
//   - The batch of a gorgonia machine is fixed. Smaller batches are padded with
//     rows of zeros, whose dh is zero; so no operation may mix rows.
//   - Training is split between host and plugin on one tape: an exchange operation
//     hands out h and waits for dh, so the forward pass runs once. An abandoned
//     forward pass leaves nothing behind.
//   - Parameters are nn.Params; their gradients are added to Param.Grad. The
//     optimiser is that of the session. Gorgonia's own solvers are not used: its
//     AdamW never changes parameters, and gradients bound to nodes accumulate.
//   - Dropout masks are inputs, drawn from the batch's stream.
//
// # Operations
//
// The methods of Builder are fused operations over the kernels of sdk/nn: the same
// code as a backbone on a tape, at nearly the same speed (BenchmarkConcat).
// [Builder.Fused] and [Builder.Block] make new ones of any function on an nn.Tape.
// Stock gorgonia operations may be mixed in, except those that are known to give
// wrong results or to be beyond the reach of seeds and snapshots; New refuses
// these and says why. Every value is a float32 matrix.
//
// This is the only package of the SDK that imports gorgonia.
package graph
