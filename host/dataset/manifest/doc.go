// Package manifest is the file dataset.toml: what the tables of a dataset mean.
//
// Parse is strict. A key it does not know, a value of the wrong type and a
// reference to nothing are errors that name the file, the line and the key, and
// suggest what may have been meant. It checks everything that can be known
// without opening a table; the loader in host/dataset checks the rest and
// reports it with Manifest.Errorf, so that those errors name a line too.
//
// The package reads no data and never imports a plugin, tracker or database
// package. Start at Manifest and Parse.
package manifest
