// Package network is a small network that a strategy trains for itself, such as
// an adversary, with its optimiser and the state that a checkpoint must keep.
//
// It imports package nn and nothing of the host. Start at New.
package network
