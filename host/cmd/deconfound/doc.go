// Command deconfound runs debiasing experiments on multimodal data with missing
// modalities: it plans sweeps, trains runs through plugins, records them in
// PostgreSQL and compares the variants.
//
// One subcommand is one file. This package wires the others together and
// nothing imports it; behaviour belongs into the packages it calls.
package main
