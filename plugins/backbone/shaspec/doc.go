// Command shaspec is the backbone plugin of ShaSpec: features that all modalities
// share and features of each, where those of a missing modality come from what the
// others share. It is written on a tape of sdk/nn. It must not import the host; start
// at build in model.go.
package main
