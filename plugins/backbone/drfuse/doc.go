// Command drfuse is the backbone plugin of DrFuse: representations that modalities
// share and such that they do not, kept apart and weighed by attention. It is written
// on a tape of sdk/nn. It must not import the host; start at build in model.go.
package main
