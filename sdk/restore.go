package sdk

// RestoreRequest is the state of an earlier snapshot of a session that was
// opened with the same request.
type RestoreRequest struct {
	Parameters []NamedTensor
	State      []byte
}

// RestoreResponse is the answer.
type RestoreResponse struct{}
