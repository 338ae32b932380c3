// Package pglocal runs a private PostgreSQL cluster for the programs of one
// user, with no server to install or to look after.
//
// It never imports the tracker or anything above it. Start reading at Open.
//
// # Processes
//
// Any number of processes may use a cluster at once. Each holds a shared flock
// on DIR/users.lock. The first one starts a supervisor: this very binary in a
// session of its own, told by an environment variable. The supervisor holds
// DIR/supervisor.lock, makes the data directory if there is none, starts
// PostgreSQL and starts it again when it dies, and waits for an exclusive flock
// on DIR/users.lock. The kernel grants it when the last user is gone, by Close,
// exit or SIGKILL; then the supervisor stops PostgreSQL and ends. PostgreSQL in
// turn gets a signal when its supervisor dies, so no process is ever left over
// (on systems other than Linux that last step needs the next Open).
//
// The hook is in this package's init: a binary that imports it can be a
// supervisor, and never gets to its main function then. main functions may call
// IsSupervisor and Supervise themselves to make that visible.
//
// # Safety
//
// The server listens on a unix socket in a directory of mode 0700 and nowhere
// else, and trusts who can reach it. As root it runs as the user postgres or
// nobody, in DIR if that user can get there, else under /var/lib/deconfound.
package pglocal
