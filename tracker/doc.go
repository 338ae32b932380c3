// Package tracker is the store of sweeps, runs and everything that is measured
// on them, in PostgreSQL.
//
// It never imports go-plugin, host, sdk or sweeps. What it knows about a run is
// what a reader of the database needs; how a run is planned, distributed and
// trained is the business of its callers.
//
// # Who may write
//
// A run has a fence, a number that rises whenever the right to write changes
// hands. [Store.Claim] turns (run, fence) into a [Lease]; every later write
// names the lease, and a write under a lease that is no longer valid changes
// nothing and answers [ErrFenced]. All writes are idempotent: the same call
// again changes nothing.
//
// # Transactions
//
// Methods that take a pgx.Tx leave committing to the caller, so that River jobs
// can be enqueued in the transaction of the rows they belong to ([Store.InTx]
// helps). They lock the sweep before the rows of its runs, and write
// sorted keys, so that they do not deadlock. The others commit what they do.
// Reading methods are on [Reader]: a Store reads what is committed, Store.In(tx)
// reads what the transaction sees.
//
// # Liveness
//
// A [Worker] holds a session advisory lock on a connection of its own, which
// PostgreSQL lets go of when the process ends, and every few seconds puts off the
// moment from which it counts as dead, for a process that is stopped, hangs or is
// cut off keeps its lock. [Store.Reap] finds the runs of dead workers. All times are
// those of the server: no machine's clock need be right. Session locks need session pooling: a PgBouncer in transaction
// mode must not stand between a worker and the server.
//
// # The SQL side
//
// Everything lives in the schema deconfound, River's tables too. People read
// the views, whose columns [Store.Views] lists and which stay stable; the
// tables below them may change with a migration. [Store.ReadOnly] runs their
// SQL as the role deconfound_analyst.
//
// Start reading at Open, Migrate, UpsertSweep, PlanRuns, Claim, CommitSlice and
// Finish. Package tracker/pglocal runs a private cluster, tracker/trackertest
// gives tests a database.
package tracker
