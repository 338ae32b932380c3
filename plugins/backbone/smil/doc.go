// Command smil is the backbone plugin of SMIL: missing embeddings are mixtures of the
// cluster centres of observed ones. It is written on a tape of sdk/nn. It must not
// import the host; start at build in model.go.
package main
