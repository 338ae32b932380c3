// Package strategytest holds a rule against an independent implementation of its
// objective. The plugin's testdata/reference.py writes the objective in PyTorch
// and its gradients by autograd; Reference compares.
//
// It is for tests and imports testing. Start at Reference.
package strategytest
