// Package trackertest gives each test a tracker database of its own, on a real
// PostgreSQL.
//
// It is imported by tests only. Start reading at New.
package trackertest
