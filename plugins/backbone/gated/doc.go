// Command gated is the backbone plugin that weighs the embeddings of the observed
// modalities by learned attention. It is written as a gorgonia graph: package
// sdk/graph. It must not import the host; start at build in model.go.
package main
