package sdk

// CloseRequest asks a session to release what it holds.
type CloseRequest struct{}

// CloseResponse is the answer.
type CloseResponse struct{}
