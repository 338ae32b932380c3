// Command muse is the backbone plugin of MUSE: message passing between patients and
// modalities, with contrastive losses between a graph and one with fewer edges. It is
// written on a tape of sdk/nn. It must not import the host; start at build in
// model.go.
package main
