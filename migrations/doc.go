// Package migrations holds the SQL that builds the tracker's schema, in goose's
// format, embedded in the program.
//
// A file that has been released is never edited; a change is a new file with
// the next number. The golden file tracker/testdata/schema.golden is the schema
// that they add up to, and a test compares it with a freshly migrated database.
//
// The package imports nothing but embed. tracker.Store.Migrate runs the files,
// then River's own migrations, then the grants.
package migrations
