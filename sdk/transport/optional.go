package transport

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

func packStages(stages []sdk.Stage) []*pb.Stage {
	var out []*pb.Stage
	for _, s := range stages {
		out = append(out, &pb.Stage{Start: int64(s.Start), Restart: s.Restart})
	}
	return out
}

func unpackStages(stages []*pb.Stage) []sdk.Stage {
	var out []sdk.Stage
	for _, s := range stages {
		out = append(out, sdk.Stage{Start: int(s.GetStart()), Restart: s.GetRestart()})
	}
	return out
}

func packStage(w *writer, r sdk.StageRequest) *pb.StageRequest {
	return &pb.StageRequest{Stage: int64(r.Stage), Predictions: w.tensor(r.Predictions)}
}

func unpackStage(r *reader, m *pb.StageRequest) (out sdk.StageRequest, err error) {
	out.Stage = int(m.GetStage())
	out.Predictions, err = r.tensor("predictions", m.GetPredictions())
	return out, err
}

func packMix(w *writer, r sdk.MixRequest) *pb.MixRequest {
	return &pb.MixRequest{
		Rows:         bytesOf(r.Rows),
		Labels:       w.vector(r.Labels),
		Availability: bytesOf(r.Availability),
		Groups:       bytesOf(r.Groups),
		Step:         r.Step,
	}
}

func unpackMix(r *reader, m *pb.MixRequest) (out sdk.MixRequest, err error) {
	out.Step = m.GetStep()
	if out.Rows, out.Availability, err = unpackRows(m.GetRows(), m.GetAvailability()); err != nil {
		return out, err
	}
	if out.Groups, err = numbersOf[int32]("groups", m.GetGroups()); err != nil {
		return out, err
	}
	out.Labels, err = r.vector("labels", m.GetLabels())
	return out, err
}

func packMixed(w *writer, r sdk.MixResponse) *pb.MixResponse {
	return &pb.MixResponse{Partner: bytesOf(r.Partner), Share: w.vector(r.Share)}
}

func unpackMixed(r *reader, m *pb.MixResponse) (out sdk.MixResponse, err error) {
	if out.Partner, err = numbersOf[int32]("partner", m.GetPartner()); err != nil {
		return out, err
	}
	out.Share, err = r.vector("share", m.GetShare())
	return out, err
}

func packFit(w *writer, r sdk.FitRequest) *pb.FitRequest {
	return &pb.FitRequest{
		Predictions:  w.tensor(r.Predictions),
		H:            w.tensor(r.H),
		Labels:       w.vector(r.Labels),
		Availability: bytesOf(r.Availability),
		Groups:       bytesOf(r.Groups),
	}
}

func unpackFit(r *reader, m *pb.FitRequest) (out sdk.FitRequest, err error) {
	if out.Availability, err = numbersOf[uint64]("availability", m.GetAvailability()); err != nil {
		return out, err
	}
	if out.Groups, err = numbersOf[int32]("groups", m.GetGroups()); err != nil {
		return out, err
	}
	if out.Predictions, err = r.tensor("predictions", m.GetPredictions()); err != nil {
		return out, err
	}
	if out.H, err = r.tensor("h", m.GetH()); err != nil {
		return out, err
	}
	out.Labels, err = r.vector("labels", m.GetLabels())
	return out, err
}

func packAdjust(w *writer, r sdk.AdjustRequest) *pb.AdjustRequest {
	return &pb.AdjustRequest{Predictions: w.tensor(r.Predictions), H: w.tensor(r.H), Availability: bytesOf(r.Availability)}
}

func unpackAdjust(r *reader, m *pb.AdjustRequest) (out sdk.AdjustRequest, err error) {
	if out.Availability, err = numbersOf[uint64]("availability", m.GetAvailability()); err != nil {
		return out, err
	}
	if out.Predictions, err = r.tensor("predictions", m.GetPredictions()); err != nil {
		return out, err
	}
	out.H, err = r.tensor("h", m.GetH())
	return out, err
}

func packAdjusted(w *writer, r sdk.AdjustResponse) *pb.AdjustResponse {
	return &pb.AdjustResponse{Predictions: w.tensor(r.Predictions), Terms: packTerms(r.Terms)}
}

func unpackAdjusted(r *reader, m *pb.AdjustResponse) (out sdk.AdjustResponse, err error) {
	out.Terms = unpackTerms(m.GetTerms())
	out.Predictions, err = r.tensor("predictions", m.GetPredictions())
	return out, err
}
