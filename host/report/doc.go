// Package report writes what a sweep came to as one self-contained file: a page, a
// PDF, LaTeX for a paper, Markdown or CSV.
//
// A Document holds words and figures that are already in print: whoever makes it
// formats every number, with the functions that the commands and the pages use, so
// that all of them say the same to the last digit. The same document gives the same
// bytes, but for PDF, whose library embeds fonts in one of several orders.
//
// The package reads no database and knows nothing of sweeps. Start with Document and
// Write.
package report
