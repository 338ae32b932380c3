// Package nn is a small neural network kernel: float32 matrices, a tape of
// coarse operations that each carry their own forward and backward pass, layers,
// losses and optimisers.
//
//	ps := &nn.Params{}
//	mlp := nn.NewMLP(ps, "head", []int{16, 32, 2}, (*nn.Tape).ReLU, 0.1, r)
//	opt, err := nn.NewOptimizer(ps.All(), nn.OptimizerConfig{Name: "adam", LearningRate: 1e-3})
//	tape := nn.NewTape()
//	for ... {
//		tape.Reset()
//		ps.ZeroGrad()
//		logits := mlp.Apply(tape, tape.Const(rows, 16, x), dropout)
//		loss := tape.WeightedMean(tape.CrossEntropy(logits, classes), nil)
//		tape.BackwardFrom(loss)
//		opt.Step()
//	}
//
// # Matrices
//
// Everything is a matrix [rows, cols] in row-major order. Sequences and sets of
// tokens are matrices of batch*steps rows, the steps of one row next to each
// other. A [Var] without gradient (Grad nil) is a constant; an operation on
// constants alone is not recorded.
//
// # Determinism
//
// A tape is used by one goroutine and starts none. The same inputs give the same
// bits. The forward result of a row does not depend on the other rows of its
// batch or on its place among them, except where the operation itself mixes rows
// (BatchNorm in training, Standardise, means over rows, MatMul with a batch on the
// right, the losses that compare rows or columns) or draws (Dropout goes by the place of the row). Machines with other
// instructions may round differently: products are assembly on amd64, with AVX2 and
// FMA or AVX-512, and on arm64, all with the same bits; so are the loops over elements,
// most of them on arm64, where sums are in another order. Elsewhere, and with the build tag purego, both are Go. Package
// asm, a module of its own, writes the assembly.
//
// # Mistakes
//
// Shapes that do not fit are mistakes of the programmer and panic with a message
// that begins with "nn: ". Values are not checked: NaN goes through.
//
// # Where to start
//
// Read [Tape] and [Params], then a layer, for example [Linear]. Write an operation
// of your own with [Tape.Op], and test it with package nntest. The package imports
// only gonum's BLAS and golang.org/x/sys/cpu, and nothing of this module.
package nn
