package sdk

// SnapshotRequest asks for the whole state of a session. A strategy session
// takes it too.
type SnapshotRequest struct{}

// SnapshotResponse is the state: a fresh session that is opened with the same
// request and restored from it goes on with the same bits.
type SnapshotResponse struct {
	// Parameters are the trained parameters by name, in a fixed order. Setting
	// one and calling Forward must show its effect, which is how gradients are
	// checked by finite differences.
	Parameters []NamedTensor
	// State is everything else (optimiser, running statistics) in a form that
	// only the plugin reads.
	State []byte
}
