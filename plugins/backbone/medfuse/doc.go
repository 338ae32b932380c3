// Command medfuse is the backbone plugin of MedFuse: a long short-term memory that
// reads the embeddings of the observed modalities one after the other. It is written
// on a tape of sdk/nn. It must not import the host; start at build in model.go.
package main
