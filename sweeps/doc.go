// Package sweeps turns a sweep file into runs and gets the runs done.
//
// A sweep file (TOML, version 1) names axes whose product are the cells to
// compare, a search space with one tuning budget for all of them, seeds for
// replicates, and the analysis that was decided on before the first trial.
//
// The package has two halves.
//
// The pure half needs no database: Load reads a file and reports every mistake
// with file, line, column and what to do; Compile checks it against a Catalog
// (what is installed) and returns a Plan; Plan.Next is a pure function from the
// results so far to the runs that should exist now. How configurations are found
// is the business of package sweeps/search. A run is a complete,
// self-describing RunSpec; the SHA-256 of its canonical JSON is its identity, so
// a sweep can be run again, extended by a seed, a backbone or more trials, and
// never repeats work.
//
// The other half distributes runs over workers with River on the tracker's
// PostgreSQL. A run advances in slices: a slice is a job of bounded time that
// restores the last checkpoint, trains, checkpoints and enqueues the next one
// in the transaction that stores the checkpoint. Whoever holds the run's fence
// may write; a late or dead worker's writes touch nothing.
//
// The package imports the tracker and never host or sdk: how a run is trained
// is a RunFunc that the caller hands in. Start reading at Load, Compile,
// Plan.Next and Run.
//
// The *.toml files beside the code are the sweeps that ship with the program.
package sweeps
