// Package sdk is the contract between the host and its plugins: what a backbone
// fusion model and a debiasing strategy must be able to do, in plain Go types.
//
// It imports the standard library only, and never the host, the tracker, the
// sweeps, a database driver or a configuration language; wire types stop at
// sdk/transport.
//
// # Who does what
//
// A plugin is a program of its own that the host starts. It answers [Info] and
// opens sessions; a session is one model in training. One process serves many
// sessions at the same time, and a session is used by one call at a time.
//
// A backbone turns modalities into one fused vector per row, the representation
// h [batch, width]. The host owns everything behind h: the classifier, the
// missingness-deconfounding module, the dual-branch network, losses and
// metrics. One training step is
//
//	Forward(rows, availability)  -> h
//	Backward(dh)                 -> the backbone updates its own parameters
//
// and features never cross the process border: both sides map the same
// read-only feature store (package sdk/features).
//
// A strategy changes how the model is trained: it may take modalities away
// ([StrategySession] Augment) and it turns per-row losses into sample weights
// and a penalty with gradients (Objective).
//
// # Writing a backbone
//
// The short way is package sdk/backbone: write the forward pass on a tape of
// sdk/nn, and sessions, optimiser, snapshots and checks are done. The long way
// is this package: implement [Backbone] and [BackboneSession]. Either way the
// whole program is
//
//	func main() { serve.Backbone(model) }
//
// from package sdk/serve, a plugin.toml beside the binary, and five lines of
// test on sdk/plugintest.
//
// # Rules
//
//   - Every call has the shape Do(ctx, DoRequest, *DoResponse) error, one method
//     one file, so that fields can be added without breaking a plugin.
//   - Slices in a request belong to the caller and may be views of shared memory:
//     they are valid until the call returns, must not be written to and must not
//     be kept. Slices in a response belong to the session, which may use them
//     again from the next call on.
//   - Randomness is keyed by OpenRequest.Seed and Step (package sdk/rng), never by
//     a generator that lives across steps: a restored session must go on with the
//     same bits.
//   - Availability in a request may differ from the data's (modality dropout,
//     interventions, mask flips). The request's is the one to use: a modality
//     whose bit is clear must not influence h.
//   - A backbone never sees validation or test labels. It sees the labels of a
//     training batch only if it declares [Capabilities].NeedsLabels.
//   - Standard output belongs to the handshake; sdk/serve sends what an author
//     prints to standard error, which the host keeps as the run's plugin log.
//   - Return [Error] with a [Code] for what the user can act on. Any other error
//     reaches the host as internal, a panic as panic.
//
// Optional abilities are declared in [Capabilities]; new ones will be added
// there, off by default.
package sdk
