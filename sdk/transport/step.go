package transport

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

func packForward(w *writer, r sdk.ForwardRequest) *pb.ForwardRequest {
	return &pb.ForwardRequest{
		Rows:         bytesOf(r.Rows),
		Availability: bytesOf(r.Availability),
		Train:        r.Mode == sdk.Train,
		Step:         r.Step,
		Labels:       w.vector(r.Labels),
	}
}

func unpackForward(r *reader, m *pb.ForwardRequest) (sdk.ForwardRequest, error) {
	out := sdk.ForwardRequest{Step: m.GetStep()}
	if m.GetTrain() {
		out.Mode = sdk.Train
	}
	var err error
	if out.Rows, out.Availability, err = unpackRows(m.GetRows(), m.GetAvailability()); err != nil {
		return out, err
	}
	out.Labels, err = r.vector("labels", m.GetLabels())
	return out, err
}

// unpackRows unpacks what every request about a batch begins with.
func unpackRows(rows, availability []byte) ([]int32, []uint64, error) {
	r, err := numbersOf[int32]("rows", rows)
	if err != nil {
		return nil, nil, err
	}
	a, err := numbersOf[uint64]("availability", availability)
	if err != nil {
		return nil, nil, err
	}
	if len(a) != len(r) {
		return nil, nil, sdk.Errorf(sdk.CodeProtocol, "%d rows with %d availability masks", len(r), len(a))
	}
	return r, a, nil
}

func packForwarded(w *writer, r sdk.ForwardResponse) *pb.ForwardResponse {
	return &pb.ForwardResponse{H: w.tensor(r.H), ModalityEmbeddings: w.tensor(r.ModalityEmbeddings)}
}

func unpackForwarded(r *reader, m *pb.ForwardResponse) (out sdk.ForwardResponse, err error) {
	if out.H, err = r.tensor("h", m.GetH()); err != nil {
		return out, err
	}
	out.ModalityEmbeddings, err = r.tensor("modality embeddings", m.GetModalityEmbeddings())
	return out, err
}

func packBackward(w *writer, r sdk.BackwardRequest) *pb.BackwardRequest {
	return &pb.BackwardRequest{Dh: w.tensor(r.DH), Weights: w.vector(r.Weights), ResetOptimizer: r.ResetOptimizer}
}

func unpackBackward(r *reader, m *pb.BackwardRequest) (out sdk.BackwardRequest, err error) {
	out.ResetOptimizer = m.GetResetOptimizer()
	if out.DH, err = r.tensor("dh", m.GetDh()); err != nil {
		return out, err
	}
	out.Weights, err = r.vector("weights", m.GetWeights())
	return out, err
}

func packBackwarded(_ *writer, r sdk.BackwardResponse) *pb.BackwardResponse {
	return &pb.BackwardResponse{Terms: packTerms(r.Terms), GradientNorm: r.GradientNorm}
}

func unpackBackwarded(m *pb.BackwardResponse) sdk.BackwardResponse {
	return sdk.BackwardResponse{Terms: unpackTerms(m.GetTerms()), GradientNorm: m.GetGradientNorm()}
}

func packTerms(terms []sdk.Term) []*pb.Term {
	var out []*pb.Term
	for _, t := range terms {
		out = append(out, &pb.Term{Name: text(t.Name), Value: t.Value})
	}
	return out
}

func unpackTerms(terms []*pb.Term) []sdk.Term {
	var out []sdk.Term
	for _, t := range terms {
		out = append(out, sdk.Term{Name: t.GetName(), Value: t.GetValue()})
	}
	return out
}
