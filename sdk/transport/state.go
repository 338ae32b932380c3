package transport

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

func packSnapshot(w *writer, r sdk.SnapshotResponse) *pb.SnapshotResponse {
	return &pb.SnapshotResponse{Parameters: packNamed(w, r.Parameters), State: r.State}
}

func unpackSnapshot(r *reader, m *pb.SnapshotResponse) (out sdk.SnapshotResponse, err error) {
	out.State = m.GetState()
	out.Parameters, err = unpackNamed(r, m.GetParameters())
	return out, err
}

func packRestore(w *writer, r sdk.RestoreRequest) *pb.RestoreRequest {
	return &pb.RestoreRequest{Parameters: packNamed(w, r.Parameters), State: r.State}
}

func unpackRestore(r *reader, m *pb.RestoreRequest) (out sdk.RestoreRequest, err error) {
	out.State = m.GetState()
	out.Parameters, err = unpackNamed(r, m.GetParameters())
	return out, err
}

func packNamed(w *writer, list []sdk.NamedTensor) []*pb.NamedTensor {
	var out []*pb.NamedTensor
	for _, p := range list {
		out = append(out, &pb.NamedTensor{Name: text(p.Name), Tensor: w.tensor(p.Tensor)})
	}
	return out
}

func unpackNamed(r *reader, list []*pb.NamedTensor) ([]sdk.NamedTensor, error) {
	var out []sdk.NamedTensor
	for _, p := range list {
		t, err := r.tensor(p.GetName(), p.GetTensor())
		if err != nil {
			return nil, err
		}
		out = append(out, sdk.NamedTensor{Name: p.GetName(), Tensor: t})
	}
	return out, nil
}
