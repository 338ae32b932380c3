// Command m3care is the backbone plugin of M3Care: a missing embedding is made of
// those of similar patients. It is written on a tape of sdk/nn. It must not import the
// host; start at build in model.go.
package main
