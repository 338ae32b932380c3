package transport

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

func packOpenBackbone(w *writer, r sdk.OpenRequest) *pb.OpenBackboneRequest {
	out := &pb.OpenBackboneRequest{
		FeatureStore:    text(r.FeatureStore),
		Width:           int64(r.Width),
		Task:            packTask(r.Task),
		Hyperparameters: packValues(r.Hyperparameters),
		Optimizer:       packOptimizer(r.Optimizer),
		Seed:            r.Seed,
		MaxBatch:        int64(r.MaxBatch),
	}
	for _, m := range r.Modalities {
		out.Modalities = append(out.Modalities, &pb.Modality{
			Name:   text(m.Name),
			Kind:   string(m.Kind),
			Width:  int64(m.Width),
			Length: int64(m.Length),
			Mean:   w.vector(m.Scaling.Mean),
			Scale:  w.vector(m.Scaling.Scale),

			Erasure: packErasure(w, m.Width, m.Scaling.Erasure),
		})
	}
	return out
}

func unpackOpenBackbone(r *reader, m *pb.OpenBackboneRequest) (sdk.OpenRequest, error) {
	out := sdk.OpenRequest{
		FeatureStore:    m.GetFeatureStore(),
		Width:           int(m.GetWidth()),
		Task:            unpackTask(m.GetTask()),
		Hyperparameters: unpackValues(m.GetHyperparameters()),
		Optimizer:       unpackOptimizer(m.GetOptimizer()),
		Seed:            m.GetSeed(),
		MaxBatch:        int(m.GetMaxBatch()),
	}
	for _, x := range m.GetModalities() {
		mean, err := r.vector("mean", x.GetMean())
		if err != nil {
			return out, err
		}
		scale, err := r.vector("scale", x.GetScale())
		if err != nil {
			return out, err
		}
		erasure, err := unpackErasure(r, x.GetErasure())
		if err != nil {
			return out, err
		}
		out.Modalities = append(out.Modalities, sdk.Modality{
			Name:    x.GetName(),
			Kind:    sdk.ModalityKind(x.GetKind()),
			Width:   int(x.GetWidth()),
			Length:  int(x.GetLength()),
			Scaling: sdk.Scaling{Mean: mean, Scale: scale, Erasure: erasure},
		})
	}
	return out, nil
}

// packErasure answers nil where nothing is erased.
func packErasure(w *writer, width int, e sdk.Erasure) *pb.Erasure {
	if e.Directions == 0 {
		return nil
	}
	return &pb.Erasure{
		Read:   w.tensor(sdk.Tensor{Shape: []int{e.Directions, width}, Data: e.Read}),
		Write:  w.tensor(sdk.Tensor{Shape: []int{e.Directions, width}, Data: e.Write}),
		Offset: w.vector(e.Offset),
	}
}

func unpackErasure(r *reader, m *pb.Erasure) (out sdk.Erasure, err error) {
	if m == nil {
		return out, nil
	}
	for _, part := range []struct {
		name string
		from *pb.Tensor
		to   *[]float32
	}{{"erasure.read", m.GetRead(), &out.Read}, {"erasure.write", m.GetWrite(), &out.Write}} {
		t, err := r.tensor(part.name, part.from)
		if err != nil {
			return out, err
		}
		*part.to = t.Data
	}
	out.Offset, err = r.vector("erasure.offset", m.GetOffset())
	out.Directions = len(out.Offset)
	return out, err
}

func packOpenStrategy(w *writer, r sdk.StrategyOpenRequest) *pb.OpenStrategyRequest {
	return &pb.OpenStrategyRequest{
		Availability:    bytesOf(r.Availability),
		Labels:          w.vector(r.Labels),
		Covariates:      w.tensor(r.Covariates),
		Groups:          bytesOf(r.Groups),
		Prior:           r.Prior,
		Modalities:      int64(r.Modalities),
		Task:            packTask(r.Task),
		Hyperparameters: packValues(r.Hyperparameters),
		Optimizer:       packOptimizer(r.Optimizer),
		Seed:            r.Seed,
		Width:           int64(r.Width),
		Epochs:          int64(r.Epochs),
	}
}

func unpackOpenStrategy(r *reader, m *pb.OpenStrategyRequest) (sdk.StrategyOpenRequest, error) {
	out := sdk.StrategyOpenRequest{
		Prior:           m.GetPrior(),
		Modalities:      int(m.GetModalities()),
		Task:            unpackTask(m.GetTask()),
		Hyperparameters: unpackValues(m.GetHyperparameters()),
		Optimizer:       unpackOptimizer(m.GetOptimizer()),
		Seed:            m.GetSeed(),
		Width:           int(m.GetWidth()),
		Epochs:          int(m.GetEpochs()),
	}
	var err error
	if out.Availability, err = numbersOf[uint64]("availability", m.GetAvailability()); err != nil {
		return out, err
	}
	if out.Groups, err = numbersOf[int32]("groups", m.GetGroups()); err != nil {
		return out, err
	}
	if out.Labels, err = r.vector("labels", m.GetLabels()); err != nil {
		return out, err
	}
	out.Covariates, err = r.tensor("covariates", m.GetCovariates())
	return out, err
}

func packTask(t sdk.Task) *pb.Task {
	return &pb.Task{Kind: string(t.Kind), Classes: int64(t.Classes)}
}

func unpackTask(m *pb.Task) sdk.Task {
	return sdk.Task{Kind: sdk.TaskKind(m.GetKind()), Classes: int(m.GetClasses())}
}

func packOptimizer(o sdk.OptimizerSettings) *pb.OptimizerSettings {
	return &pb.OptimizerSettings{
		Name:         text(o.Name),
		LearningRate: o.LearningRate,
		WeightDecay:  o.WeightDecay,
		Beta1:        o.Beta1,
		Beta2:        o.Beta2,
		Epsilon:      o.Epsilon,
		Momentum:     o.Momentum,
		ClipNorm:     o.ClipNorm,
	}
}

func unpackOptimizer(m *pb.OptimizerSettings) sdk.OptimizerSettings {
	return sdk.OptimizerSettings{
		Name:         m.GetName(),
		LearningRate: m.GetLearningRate(),
		WeightDecay:  m.GetWeightDecay(),
		Beta1:        m.GetBeta1(),
		Beta2:        m.GetBeta2(),
		Epsilon:      m.GetEpsilon(),
		Momentum:     m.GetMomentum(),
		ClipNorm:     m.GetClipNorm(),
	}
}
