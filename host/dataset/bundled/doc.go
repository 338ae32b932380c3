// Package bundled is the data that ships with the program, so that a first run
// needs no download. Each directory is a dataset with its dataset.toml and the
// licence of its data, which is not that of the program.
//
// The package imports nothing but the standard library. Start at Extract.
package bundled
