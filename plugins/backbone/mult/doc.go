// Command mult is the backbone plugin of MulT: attention of every modality to every
// other one. It is written on a tape of sdk/nn. It must not import the host; start at
// build in model.go.
package main
