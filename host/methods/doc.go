// Package methods writes a page for each plugin: what it computes, after whom, what
// the mask does in it, and its hyperparameters. What a plugin says of itself is its
// sdk.Info; the equations are the doc comments of its source, where that is at hand.
//
// It starts no plugin and must never import host/cmd. Start at Page.
package methods
