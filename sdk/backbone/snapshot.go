package backbone

import (
	"bytes"
	"context"
	"encoding/gob"
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

// state is everything of a session beside its parameters. Version is raised when
// its meaning changes.
type state struct {
	Version   int
	Optimizer []byte
	Model     []byte
}

const stateVersion = 1

// Snapshot answers copies of the parameters and the state. It leaves a Forward
// that waits for its Backward as it is; such a batch is not part of the snapshot.
func (s *session) Snapshot(_ context.Context, _ sdk.SnapshotRequest, response *sdk.SnapshotResponse) error {
	if err := s.open(); err != nil {
		return err
	}
	for _, p := range s.model.Params() {
		response.Parameters = append(response.Parameters, sdk.NamedTensor{
			Name:   p.Name,
			Tensor: sdk.Tensor{Shape: []int{p.Rows, p.Cols}, Data: slices.Clone(p.Value)},
		})
	}
	st := state{Version: stateVersion, Optimizer: s.optimizer.State()}
	if m, ok := s.model.(Stateful); ok {
		st.Model = m.State()
	}
	var buffer bytes.Buffer
	buffer.Grow(len(st.Optimizer) + len(st.Model) + 1<<10) // it can have hundreds of megabytes
	if err := gob.NewEncoder(&buffer).Encode(st); err != nil {
		return sdk.Errorf(sdk.CodeInternal, "encode state: %v", err)
	}
	response.State = buffer.Bytes()
	return nil
}

// Restore takes a snapshot of a session that was opened with the same request.
// The parameters may have been changed since. A Forward that waits for its
// Backward is dropped. A request that does not fit leaves the session unusable
// only if its state is damaged; wrong names and shapes are found first.
func (s *session) Restore(_ context.Context, request sdk.RestoreRequest, _ *sdk.RestoreResponse) error {
	if err := s.open(); err != nil {
		return err
	}
	params := s.model.Params()
	if len(request.Parameters) != len(params) {
		return sdk.Errorf(sdk.CodeBadRequest, "the snapshot has %d parameters, the model has %d", len(request.Parameters), len(params))
	}
	for i, p := range params {
		given := request.Parameters[i]
		if given.Name != p.Name {
			return sdk.Errorf(sdk.CodeBadRequest, "parameter %d of the snapshot is %q, the model has %q there", i, given.Name, p.Name)
		}
		if err := given.Tensor.Check("parameter "+p.Name, p.Rows, p.Cols); err != nil {
			return err
		}
	}
	var st state
	if err := gob.NewDecoder(bytes.NewReader(request.State)).Decode(&st); err != nil {
		return sdk.Errorf(sdk.CodeBadRequest, "the state of the snapshot is damaged: %v", err)
	}
	if st.Version != stateVersion {
		return sdk.Errorf(sdk.CodeBadRequest, "the state of the snapshot has version %d, this program reads %d", st.Version, stateVersion)
	}
	s.pending = 0
	if err := s.optimizer.SetState(st.Optimizer); err != nil {
		return sdk.Errorf(sdk.CodeBadRequest, "restore optimiser: %v", err)
	}
	if m, ok := s.model.(Stateful); ok {
		if err := m.SetState(st.Model); err != nil {
			return sdk.Errorf(sdk.CodeBadRequest, "restore model: %v", err)
		}
	}
	for i, p := range params {
		copy(p.Value, request.Parameters[i].Tensor.Data)
	}
	return nil
}
