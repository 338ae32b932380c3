// Command concat is the backbone plugin that concatenates the embeddings of all
// modalities, zero for those a row lacks. It is written on a tape of sdk/nn. It
// must not import the host; start at build in model.go.
package main
