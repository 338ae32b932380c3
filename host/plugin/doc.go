// Package plugin finds plugins, makes sure they are the ones that were locked,
// runs them as processes and gives the run loop their sessions.
//
// A plugin is other people's code, so nothing of it is trusted: it gets a
// process group of its own, an environment without the host's secrets, a private
// socket directory, deadlines and a memory limit, and every answer is checked
// for shape and finite values before anybody computes with it. A plugin that
// crashes, hangs or lies ends its own process with an error whose code says
// which; other processes go on. Answers that are merely wrong (a NaN, a wrong
// shape, a panic) end one session and leave the process to its other sessions,
// because one diverging trial must not cost the trials beside it. All errors
// carry a code of package sdk.
//
// The package does no database access and never imports the tracker, sweeps or
// the run loop. Start at [Scan] and [Registry] for what is installed, at
// [ReadLock] for integrity and at [Pool] for sessions.
package plugin
