// Command mean is the backbone plugin that averages the embeddings of the
// modalities a row has. It is written as a gorgonia graph: package sdk/graph. It
// must not import the host; start at build in model.go.
package main
