// Command late is the backbone plugin for late fusion: every modality scores on
// its own, and the scores of the observed modalities are averaged with learned
// weights. It is written on a tape of sdk/nn. It must not import the host; start
// at build in model.go.
package main
