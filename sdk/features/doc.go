// Package features is the feature store: what a dataset's rows look like to a
// backbone, in files that the host and every plugin map into memory read-only.
//
// A store is a directory with an index (store.json) and one NPY array per
// modality: float32, raw values as in the source, NaN where a cell is missing.
// A sequence modality is [rows, length, width] and comes with an int32 array of
// lengths. There is nothing else: no label, no identifier, no split, and the
// order of the rows is a pseudo-random permutation, so that a plugin learns
// nothing from the store but x.
//
// Values leave a store only through Gather, standardised with statistics the
// host computed from training rows, and always finite: a missing cell becomes 0,
// the training mean. Directions that the host asks to erase are then taken out.
// Which modalities a row has is not read off the store but
// comes with every request, because it may differ from the data's own.
//
// The package never imports host packages or anything beyond the standard
// library and golang.org/x/sys. Start at Open and Store.Gather; Write is for the
// host's loader and for tests.
package features
