// Package table reads the files that datasets come in, CSV (plain or gzipped),
// Parquet and NPY, into columns of texts or numbers with missing cells.
//
// It knows nothing of manifests, labels or modalities, and never imports a
// plugin, tracker or database package. Start at Read and Column.
package table
