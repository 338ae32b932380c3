// Command transformer is the backbone plugin of a transformer over one token for
// each modality, in which missing modalities are masked out of the attention. It
// is written on a tape of sdk/nn. It must not import the host; start at build in
// model.go.
package main
