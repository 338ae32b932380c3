// Package rules holds the rules of the repository, as tests: what may import
// what, one package comment a directory, a go.mod without replace, a layout
// that names everything, a valid compose.yaml, words that do not belong here.
// Every failure prints the reason of its rule. The package has no code and
// nothing imports it.
package rules
