package sdk

import "context"

// Backbone is a fusion model as a plugin. Its methods may be called from several
// goroutines.
type Backbone interface {
	// Info describes the plugin.
	Info(context.Context, InfoRequest, *InfoResponse) error
	// Open builds one model and returns it as a session.
	Open(context.Context, OpenRequest, *OpenResponse) error
}

// BackboneSession is one model in training. It is used by one call at a time;
// other sessions of the same process run beside it.
type BackboneSession interface {
	// Forward answers the representation of a batch.
	Forward(context.Context, ForwardRequest, *ForwardResponse) error
	// Backward takes the gradient of the last Forward in Train mode and updates
	// the parameters.
	Backward(context.Context, BackwardRequest, *BackwardResponse) error
	// Snapshot answers the whole state of the session.
	Snapshot(context.Context, SnapshotRequest, *SnapshotResponse) error
	// Restore brings the session to the state of a snapshot.
	Restore(context.Context, RestoreRequest, *RestoreResponse) error
	// Close releases the session; no call follows.
	Close(context.Context, CloseRequest, *CloseResponse) error
}
