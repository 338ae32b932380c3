package transport

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

func packAugment(_ *writer, r sdk.AugmentRequest) *pb.AugmentRequest {
	return &pb.AugmentRequest{Rows: bytesOf(r.Rows), Availability: bytesOf(r.Availability), Step: r.Step}
}

func unpackAugment(_ *reader, m *pb.AugmentRequest) (out sdk.AugmentRequest, err error) {
	out.Step = m.GetStep()
	out.Rows, out.Availability, err = unpackRows(m.GetRows(), m.GetAvailability())
	return out, err
}

func packAugmented(_ *writer, r sdk.AugmentResponse) *pb.AugmentResponse {
	return &pb.AugmentResponse{Availability: bytesOf(r.Availability)}
}

func unpackAugmented(_ *reader, m *pb.AugmentResponse) (out sdk.AugmentResponse, err error) {
	out.Availability, err = numbersOf[uint64]("availability", m.GetAvailability())
	return out, err
}

func packObjective(w *writer, r sdk.ObjectiveRequest) *pb.ObjectiveRequest {
	return &pb.ObjectiveRequest{
		Rows:         bytesOf(r.Rows),
		H:            w.tensor(r.H),
		Logits:       w.tensor(r.Logits),
		RowLoss:      w.vector(r.RowLoss),
		Labels:       w.vector(r.Labels),
		Availability: bytesOf(r.Availability),
		Groups:       bytesOf(r.Groups),
		Step:         r.Step,
	}
}

func unpackObjective(r *reader, m *pb.ObjectiveRequest) (out sdk.ObjectiveRequest, err error) {
	out.Step = m.GetStep()
	if out.Rows, out.Availability, err = unpackRows(m.GetRows(), m.GetAvailability()); err != nil {
		return out, err
	}
	if out.Groups, err = numbersOf[int32]("groups", m.GetGroups()); err != nil {
		return out, err
	}
	if out.H, err = r.tensor("h", m.GetH()); err != nil {
		return out, err
	}
	if out.Logits, err = r.tensor("logits", m.GetLogits()); err != nil {
		return out, err
	}
	if out.RowLoss, err = r.vector("row loss", m.GetRowLoss()); err != nil {
		return out, err
	}
	out.Labels, err = r.vector("labels", m.GetLabels())
	return out, err
}

func packObjected(w *writer, r sdk.ObjectiveResponse) *pb.ObjectiveResponse {
	return &pb.ObjectiveResponse{
		Weights: w.vector(r.Weights),
		Penalty: r.Penalty,
		Dh:      w.tensor(r.DH),
		Dlogits: w.tensor(r.DLogits),
		Terms:   packTerms(r.Terms),

		ResetOptimizer: r.ResetOptimizer,
	}
}

func unpackObjected(r *reader, m *pb.ObjectiveResponse) (out sdk.ObjectiveResponse, err error) {
	out.Penalty = m.GetPenalty()
	out.ResetOptimizer = m.GetResetOptimizer()
	out.Terms = unpackTerms(m.GetTerms())
	if out.Weights, err = r.vector("weights", m.GetWeights()); err != nil {
		return out, err
	}
	if out.DH, err = r.tensor("dh", m.GetDh()); err != nil {
		return out, err
	}
	out.DLogits, err = r.tensor("dlogits", m.GetDlogits())
	return out, err
}
