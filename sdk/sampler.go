package sdk

import "context"

// Sampler chooses the configurations of a search, as a plugin (contract 1.2). It has
// no session: everything that a proposal depends on is in the request. Its methods may
// be called from several goroutines.
type Sampler interface {
	// Info describes the plugin.
	Info(context.Context, InfoRequest, *InfoResponse) error
	// Propose answers one trial. The same request has the same answer, in this
	// process and in any other.
	Propose(context.Context, ProposeRequest, *ProposeResponse) error
}
