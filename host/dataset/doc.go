// Package dataset turns tables described by a dataset.toml into a feature store,
// and answers everything the host needs to know about its rows: labels,
// availability, covariates, subgroups, splits and shifted test sets.
//
// Load reads and checks a manifest and its tables, Build writes the store, Open
// opens it. A store is a directory named by the content of what it was made of:
//
//	<hash>/features/   what plugins may see: x and nothing else (sdk/features)
//	<hash>/private/    what only the host may see, mode 0700: labels,
//	                   availability, identifiers, groups, environment, covariates
//	<hash>/SHA256SUMS  of every file, checked when the store is opened
//
// Splits and interventions are functions of raw identifiers, so that they can be
// reproduced in any language (Store.Split); the identifiers therefore stay on
// disk, in private/ only. Whatever leaves the host, for the tracker or a
// report, carries the keyed hash of an identifier instead (Store.UnitHash); a store
// that leaves it is a copy with such hashes for identifiers (Pseudonymise).
//
// The package does no database and no plugin I/O: it never imports pgx,
// go-plugin or the tracker. Subpackages: manifest (the file format), table (CSV,
// Parquet and NPY), bundled (data that ships with the program).
package dataset
