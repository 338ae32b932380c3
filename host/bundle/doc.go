// Package bundle makes a directory, such as a plugin or a feature store, one
// archive and a directory again, and keeps directories that came from elsewhere in
// a cache of limited size. It has no database and starts no process: what an
// archive is worth is for the caller to check, by the hash of what came out.
//
// Start at [Pack], [Unpack] and [Cache].
package bundle
