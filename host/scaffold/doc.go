// Package scaffold writes the source of a new plugin: a Go module of its own,
// outside this repository, with a small working model for its author to edit, its
// test on the conformance suite, its manifest and a README.
//
// The module needs nothing that this repository does not need itself, so it
// builds offline from a filled module cache: the requirements and checksums are
// those of the checkout it is written against. The package imports neither the
// tracker nor any plugin. Start at [Backbone].
package scaffold
