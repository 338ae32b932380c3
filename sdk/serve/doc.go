// Package serve is the whole main function of a plugin:
//
//	func main() { serve.Backbone(model) }
//
// It shakes hands with the host, serves sessions until the host goes away,
// keeps what the author prints away from the handshake, turns panics of the
// author's code into errors of the one session, and never leaves an orphan: the
// process exits when the host dies, even by SIGKILL.
//
// Importing it has an effect only in a process that a host started as a plugin:
// from then on file descriptor 1 leads to standard error.
//
// It imports sdk, sdk/transport and go-plugin, never the host. Start at
// [Backbone], [Strategy] and [Sampler].
package serve
