// Package content keeps bytes under their SHA-256: in PostgreSQL, in a directory
// or in a bucket that speaks S3. It knows nothing of runs; package tracker says
// what is kept, for whom, and when it may go.
//
// [Place] is the whole interface. [Postgres] and [Open] make one.
package content
