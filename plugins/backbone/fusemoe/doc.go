// Command fusemoe is the backbone plugin of FuseMoE: a sparse mixture of experts over
// the embeddings of all modalities, with three kinds of router and of gate. It is
// written on a tape of sdk/nn. It must not import the host; start at build in
// model.go.
package main
