// Command healnet is the backbone plugin of HEALNet: learned latents that attend to
// one observed modality after the other. It is written on a tape of sdk/nn. It must
// not import the host; start at build in model.go.
package main
