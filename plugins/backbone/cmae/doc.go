// Command cmae is the backbone plugin of a cross-modal autoencoder: a code from which
// all modalities are reconstructed. It is written on a tape of sdk/nn. It must not
// import the host; start at build in model.go.
package main
