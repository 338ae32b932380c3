// Command grape is the backbone plugin of GRAPE: message passing between patients and
// the columns of their tables. It is written on a tape of sdk/nn. It must not import
// the host; start at build in model.go.
package main
