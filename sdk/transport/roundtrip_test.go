package transport

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
)

// eachWay runs a test with shared memory and with bytes in messages, on sockets
// and on gRPC streams: what arrives must be the same.
func eachWay(t *testing.T, f func(t *testing.T, w way)) {
	t.Run("shared", func(t *testing.T) { eachStream(t, f) })
	t.Run("bytes", func(t *testing.T) {
		eachStream(t, func(t *testing.T, w way) {
			w.shared = false
			f(t, w)
		})
	})
}

// eachStream runs a test with shared memory on a socket and on a gRPC stream.
func eachStream(t *testing.T, f func(t *testing.T, w way)) {
	t.Run("socket", func(t *testing.T) { f(t, way{shared: true, socket: true}) })
	t.Run("grpc", func(t *testing.T) { f(t, way{shared: true}) })
}

// ramp is a tensor with telling values: signed zero, denormals, extremes.
func ramp(shape ...int) sdk.Tensor {
	t := sdk.NewTensor(shape...)
	for i := range t.Data {
		t.Data[i] = float32(i) * 0.37
	}
	odd := []float32{float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, -math.MaxFloat32, 1e-40}
	copy(t.Data, odd)
	return t
}

func clone(values []float32) []float32 {
	if values == nil {
		return nil
	}
	return append([]float32{}, values...)
}

// kept copies a request's tensor, as an author must who keeps it.
func kept(t sdk.Tensor) sdk.Tensor { return sdk.Tensor{Shape: t.Shape, Data: clone(t.Data)} }

// sameBits tells -0 from 0 and nil from empty.
func sameBits(a, b []float32) bool {
	return (a == nil) == (b == nil) && slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Float32bits(x) == math.Float32bits(y)
	})
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(sameBits)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

func TestInfo_roundTrip(t *testing.T) {
	want := sdk.Info{
		Kind: sdk.KindBackbone, Name: "concat", Version: "1.2.0", Licence: "MIT", Citation: "doi:10.1/x", Text: "Über text.",
		Hyperparameters: []sdk.Hyperparameter{
			{Name: "dropout", Type: sdk.Float, Default: 0.1, Max: 0.9, Text: "rate"},
			{Name: "heads", Type: sdk.Int, Default: int64(4), Min: 1, Max: math.Inf(1), Log: true, Unit: sdk.Steps},
			{Name: "gated", Type: sdk.Bool, Default: true},
			{Name: "pool", Type: sdk.String, Default: "mean", Values: []string{"mean", "max"}},
		},
		Capabilities: sdk.Capabilities{
			NeedsLabels: true, BatchIndependent: true, Deterministic: true, ModalityEmbeddings: true, RevealsAvailability: true, Erasure: true,
			Stages: true, Mixes: true, PostHoc: sdk.PostHocScores,
			ModalityKinds: []sdk.ModalityKind{sdk.Tabular, sdk.Sequence}, Tasks: []sdk.TaskKind{sdk.Binary},
		},
	}
	client := connect(t, way{}, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
		RegisterBackbone(s, fakeBackbone{info: func(resp *sdk.InfoResponse) error { resp.Info = want; return nil }}, a, d)
	})
	got, err := client.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "info", got, want)
}

func TestOpenBackbone_roundTrip(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		want := sdk.OpenRequest{
			FeatureStore: "/data/features",
			Modalities: []sdk.Modality{
				{Name: "labs", Kind: sdk.Tabular, Width: 2, Scaling: sdk.Scaling{
					Mean: []float32{1, 2}, Scale: []float32{0, 3},
					Erasure: sdk.Erasure{Directions: 1, Read: []float32{4, 5}, Write: []float32{6, 7}, Offset: []float32{8}},
				}},
				{Name: "ecg", Kind: sdk.Sequence, Width: 1, Length: 40},
			},
			Width: 64, Task: sdk.Task{Kind: sdk.Multiclass, Classes: 5},
			Hyperparameters: sdk.Values{"dropout": 0.1, "heads": int64(4), "gated": true, "pool": "mean"},
			Optimizer: sdk.OptimizerSettings{Name: "adamw", LearningRate: 1e-3, WeightDecay: 1e-2, Beta1: 0.9,
				Beta2: 0.99, Epsilon: 1e-8, Momentum: 0.1, ClipNorm: 5},
			Seed: math.MaxUint64, MaxBatch: 256,
		}
		var got sdk.OpenRequest
		client := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
			RegisterBackbone(s, fakeBackbone{open: func(req sdk.OpenRequest) (sdk.BackboneSession, error) {
				got = req
				return &fakeSession{}, nil
			}}, a, d)
		})
		if _, err := client.OpenBackbone(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		same(t, "open request", got, want)
	})
}

func TestOpenStrategy_roundTrip(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		want := sdk.StrategyOpenRequest{
			Epochs:       30,
			Availability: []uint64{1, math.MaxUint64}, Labels: []float32{0, 1}, Covariates: ramp(2, 3),
			Groups: []int32{0, -1}, Prior: map[uint64]float64{1: 0.25, math.MaxUint64: 0.75}, Modalities: 64,
			Task: sdk.Task{Kind: sdk.Binary}, Hyperparameters: sdk.Values{"eta": 0.01},
			Optimizer: sdk.OptimizerSettings{Name: "sgd", LearningRate: 0.1}, Seed: 7, Width: 32,
		}
		var got sdk.StrategyOpenRequest
		client := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
			RegisterStrategy(s, fakeStrategy{open: func(req sdk.StrategyOpenRequest) (sdk.StrategySession, error) {
				got = req
				return &fakeSession{}, nil
			}}, a, d)
		})
		if _, err := client.OpenStrategy(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		same(t, "open request", got, want)
	})
}

func TestForward_roundTrip(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		want := sdk.ForwardRequest{Rows: []int32{3, 1}, Availability: []uint64{5, 1 << 63}, Mode: sdk.Train, Step: 9, Labels: []float32{0, 1}}
		answer := sdk.ForwardResponse{H: ramp(2, 7), ModalityEmbeddings: ramp(2, 3, 5)}
		var got sdk.ForwardRequest
		s := openBackbone(t, w, 0, &fakeSession{forward: func(_ context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			got = req
			got.Labels = clone(req.Labels)
			*resp = answer
			return nil
		}})
		var resp sdk.ForwardResponse
		if err := s.Forward(t.Context(), want, &resp); err != nil {
			t.Fatal(err)
		}
		same(t, "request", got, want)
		same(t, "response", resp, answer)

		// A smaller answer takes the memory of the last one, a larger one does not.
		first := &resp.H.Data[0]
		answer.H = ramp(1, 7)
		if err := s.Forward(t.Context(), want, &resp); err != nil {
			t.Fatal(err)
		}
		same(t, "smaller response", resp, answer)
		if w.shared && &resp.H.Data[0] != first {
			t.Error("the memory of the last answer was not used again")
		}
		answer.H = ramp(9, 7)
		if err := s.Forward(t.Context(), want, &resp); err != nil {
			t.Fatal(err)
		}
		same(t, "larger response", resp, answer)

		// Absent fields stay absent.
		want.Labels, want.Mode, answer.ModalityEmbeddings = nil, sdk.Eval, sdk.Tensor{}
		if err := s.Forward(t.Context(), want, &resp); err != nil {
			t.Fatal(err)
		}
		same(t, "request", got, want)
		same(t, "response", resp, answer)
	})
}

func TestBackward_roundTrip(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		want := sdk.BackwardRequest{DH: ramp(2, 7), Weights: []float32{0.5, 2}, ResetOptimizer: true}
		answer := sdk.BackwardResponse{Terms: []sdk.Term{{Name: "kl", Value: 0.1}, {Name: "aux", Value: -3}}, GradientNorm: 1.5}
		var got sdk.BackwardRequest
		s := openBackbone(t, w, 0, &fakeSession{backward: func(req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
			got = req
			got.DH, got.Weights = kept(req.DH), slices.Clone(req.Weights)
			*resp = answer
			return nil
		}})
		var resp sdk.BackwardResponse
		if err := s.Backward(t.Context(), want, &resp); err != nil {
			t.Fatal(err)
		}
		same(t, "request", got, want)
		same(t, "response", resp, answer)
	})
}

func TestStrategy_roundTrip(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		augment := sdk.AugmentRequest{Rows: []int32{0, 4}, Availability: []uint64{3, 1}, Step: 2}
		augmented := sdk.AugmentResponse{Availability: []uint64{1, 1}}
		objective := sdk.ObjectiveRequest{
			Rows: []int32{0, 4}, H: ramp(2, 3), Logits: ramp(2, 1), RowLoss: []float32{0.5, 0.25},
			Labels: []float32{1, 0}, Availability: []uint64{3, 1}, Groups: []int32{1, 0}, Step: 2,
		}
		objected := sdk.ObjectiveResponse{Weights: []float32{2, 0}, Penalty: 0.75, DH: ramp(2, 3), DLogits: ramp(2, 1), Terms: []sdk.Term{{Name: "cmi", Value: 0.75}}, ResetOptimizer: true}
		var gotAugment sdk.AugmentRequest
		var gotObjective sdk.ObjectiveRequest
		client := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
			RegisterStrategy(s, fakeStrategy{open: func(sdk.StrategyOpenRequest) (sdk.StrategySession, error) {
				return &fakeSession{
					augment: func(req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
						gotAugment, *resp = req, augmented
						return nil
					},
					objective: func(req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
						gotObjective, *resp = req, objected
						gotObjective.H, gotObjective.Logits = kept(req.H), kept(req.Logits)
						gotObjective.RowLoss, gotObjective.Labels = clone(req.RowLoss), clone(req.Labels)
						return nil
					},
				}, nil
			}}, a, d)
		})
		s, err := client.OpenStrategy(t.Context(), sdk.StrategyOpenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var a sdk.AugmentResponse
		if err := s.Augment(t.Context(), augment, &a); err != nil {
			t.Fatal(err)
		}
		same(t, "augment request", gotAugment, augment)
		same(t, "augment response", a, augmented)
		var o sdk.ObjectiveResponse
		if err := s.Objective(t.Context(), objective, &o); err != nil {
			t.Fatal(err)
		}
		same(t, "objective request", gotObjective, objective)
		same(t, "objective response", o, objected)

		// An answer that leaves the objective alone.
		objected = sdk.ObjectiveResponse{}
		if err := s.Objective(t.Context(), objective, &o); err != nil {
			t.Fatal(err)
		}
		same(t, "objective response", o, objected)
	})
}

func TestState_roundTrip(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		state := sdk.SnapshotResponse{
			Parameters: []sdk.NamedTensor{
				{Name: "w", Tensor: ramp(30, 40)},
				{Name: "big", Tensor: ramp(1100, 1000)}, // 4.4 MB: more than a slot and than gRPC's default limit
				{Name: "none", Tensor: ramp(0, 3)},
				{Name: "b", Tensor: ramp(40)},
			},
			State: []byte{1, 2, 3},
		}
		var restored sdk.RestoreRequest
		s := openBackbone(t, w, 0, &fakeSession{
			snapshot: func(resp *sdk.SnapshotResponse) error { *resp = state; return nil },
			restore: func(req sdk.RestoreRequest) error {
				restored.State = req.State
				for _, p := range req.Parameters {
					restored.Parameters = append(restored.Parameters, sdk.NamedTensor{Name: p.Name, Tensor: kept(p.Tensor)})
				}
				return nil
			},
		})
		var got sdk.SnapshotResponse
		if err := s.Snapshot(t.Context(), sdk.SnapshotRequest{}, &got); err != nil {
			t.Fatal(err)
		}
		same(t, "snapshot", got, state)
		want := sdk.RestoreRequest(state)
		if err := s.Restore(t.Context(), want, &sdk.RestoreResponse{}); err != nil {
			t.Fatal(err)
		}
		same(t, "restore", restored, want)
	})
}
