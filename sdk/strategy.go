package sdk

import "context"

// Strategy is a debiasing strategy as a plugin. Its methods may be called from
// several goroutines.
type Strategy interface {
	// Info describes the plugin.
	Info(context.Context, InfoRequest, *InfoResponse) error
	// Open looks at the training rows and returns a session.
	Open(context.Context, StrategyOpenRequest, *StrategyOpenResponse) error
}

// StrategySession is one strategy in use by one run. It is used by one call at a
// time. Embed [Unchanged] and [Stateless] for what a strategy does not do. Optional
// interfaces, each with its capability: [Stager], [Mixer] and [Fitter].
type StrategySession interface {
	// Augment may take modalities away from the rows of a training batch.
	Augment(context.Context, AugmentRequest, *AugmentResponse) error
	// Objective turns per-row losses into weights and a penalty.
	Objective(context.Context, ObjectiveRequest, *ObjectiveResponse) error
	// Snapshot answers the whole state of the session.
	Snapshot(context.Context, SnapshotRequest, *SnapshotResponse) error
	// Restore brings the session to the state of a snapshot.
	Restore(context.Context, RestoreRequest, *RestoreResponse) error
	// Close releases the session; no call follows.
	Close(context.Context, CloseRequest, *CloseResponse) error
}

// Unchanged is embedded by a strategy session that takes no modality away.
type Unchanged struct{}

// Augment answers the availability it was given.
func (Unchanged) Augment(_ context.Context, req AugmentRequest, resp *AugmentResponse) error {
	resp.Availability = req.Availability
	return nil
}

// Unweighted is embedded by a strategy session that leaves the loss as it is.
type Unweighted struct{}

// Objective answers equal weights and no penalty.
func (Unweighted) Objective(context.Context, ObjectiveRequest, *ObjectiveResponse) error { return nil }

// Stateless is embedded by a session without parameters or running statistics.
type Stateless struct{}

// Snapshot answers an empty state.
func (Stateless) Snapshot(context.Context, SnapshotRequest, *SnapshotResponse) error { return nil }

// Restore takes an empty state and refuses any other.
func (Stateless) Restore(_ context.Context, req RestoreRequest, _ *RestoreResponse) error {
	if len(req.Parameters) > 0 || len(req.State) > 0 {
		return Errorf(CodeBadRequest, "restore a state into a session that has none")
	}
	return nil
}

// Close does nothing.
func (Stateless) Close(context.Context, CloseRequest, *CloseResponse) error { return nil }
