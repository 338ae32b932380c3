// Command lrtf is the backbone plugin of low-rank tensor fusion: the outer product of
// all embeddings, through factors of few ranks. It is written on a tape of sdk/nn. It
// must not import the host; start at build in model.go.
package main
