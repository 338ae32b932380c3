package plugintest_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
)

func TestBackbone_Honest(t *testing.T) { plugintest.Backbone(t, flawed(flaws{})) }

var ctx = context.Background()

// broken are backbones with one flaw each, and the one check that must find it.
var broken = []struct {
	name  string
	check string
	says  string // part of the message
	make  func() sdk.Backbone
}{
	{"a version that changes", "info", "asked twice", func() sdk.Backbone {
		n := 0
		return &wrapped{inner: flawed(flaws{}), info: func(i *sdk.Info) { n++; i.Version = fmt.Sprint(n) }}
	}},
	{"a default out of bounds", "info", "dropout", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), info: func(i *sdk.Info) {
			i.Hyperparameters = slices.Clone(i.Hyperparameters)
			i.Hyperparameters[0].Default = 2.0
		}}
	}},
	{"a strategy that is served as a backbone", "info", "strategy", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), info: func(i *sdk.Info) { i.Kind = sdk.KindStrategy }}
	}},
	{"a bound that does not work", "hyperparameters", "dropout = 0.9", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error {
			if r.Hyperparameters.Float("dropout") == 0.9 {
				return fmt.Errorf("too much")
			}
			return nil
		}}
	}},
	{"a choice that does not work", "hyperparameters", "activation = relu", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error {
			if r.Hyperparameters.String("activation") == "relu" {
				return sdk.Errorf(sdk.CodeBadRequest, "relu is for another day")
			}
			return nil
		}}
	}},
	{"a column too many for five rows", "shape", "want [5 1]", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			err := s.BackboneSession.Forward(ctx, req, resp)
			if len(req.Rows) == 5 {
				resp.H = sdk.NewTensor(5, resp.H.Shape[1]+1)
			}
			return err
		}}
	}},
	{"a NaN for five rows", "shape", "NaN", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			err := s.BackboneSession.Forward(ctx, req, resp)
			if len(req.Rows) == 5 {
				resp.H.Data[2] = float32(math.NaN())
			}
			return err
		}}
	}},
	{"modality embeddings that were promised", "shape", "modality embeddings", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), info: func(i *sdk.Info) { i.Capabilities.ModalityEmbeddings = true }}
	}},
	{"a seed from a counter", "determinism", "start differently", func() sdk.Backbone {
		var n uint64
		return &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error { n++; r.Seed += n; return nil }}
	}},
	{"a seed without effect", "determinism", "no effect", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error { r.Seed = 1; return nil }}
	}},
	{"noise in training", "determinism", "train differently", func() sdk.Backbone {
		n := 0
		return &wrapped{inner: flawed(flaws{}), forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			err := s.BackboneSession.Forward(ctx, req, resp)
			if err == nil && req.Mode == sdk.Train {
				n++
				resp.H.Data[0] += float32(n) * 1e-7
			}
			return err
		}}
	}},
	{"a single modality that is refused", "availability", "availability 0010", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			if req.Mode == sdk.Train && len(req.Rows) == 1 && req.Availability[0] == 0b10 {
				return sdk.Errorf(sdk.CodeUnsupported, "vitals alone are not enough")
			}
			return s.BackboneSession.Forward(ctx, req, resp)
		}}
	}},
	{"features behind the mask", "mask", "behind the mask", func() sdk.Backbone { return flawed(flaws{leak: true}) }},
	{"directions that are not erased", "erasure", "no effect", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error {
			r.Modalities = slices.Clone(r.Modalities)
			for m := range r.Modalities {
				r.Modalities[m].Scaling.Erasure = sdk.Erasure{}
			}
			return nil
		}}
	}},
	{"an offset that is forgotten", "erasure", "erased beforehand", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error {
			r.Modalities = slices.Clone(r.Modalities)
			for m := range r.Modalities {
				e := &r.Modalities[m].Scaling.Erasure
				e.Offset = make([]float32, e.Directions)
			}
			return nil
		}}
	}},
	{"features behind the mask that make training fail", "mask", "values behind the mask have an effect", func() sdk.Backbone {
		poisoned := false
		return &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error {
			poisoned = strings.Contains(r.FeatureStore, "poisoned")
			return nil
		}, backward: func(s *session, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
			if poisoned {
				return sdk.Errorf(sdk.CodeNotFinite, "the gradient is NaN")
			}
			return s.BackboneSession.Backward(ctx, req, resp)
		}}
	}},
	{"a gradient of the wrong sign", "gradients", "finite differences", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), backward: func(s *session, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
			dh := sdk.Tensor{Shape: req.DH.Shape, Data: slices.Clone(req.DH.Data)}
			for i := range dh.Data {
				dh.Data[i] *= -1
			}
			return s.BackboneSession.Backward(ctx, sdk.BackwardRequest{DH: dh}, resp)
		}}
	}},
	{"a gradient that is five percent too large", "gradients", "finite differences", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), backward: func(s *session, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
			dh := sdk.Tensor{Shape: req.DH.Shape, Data: slices.Clone(req.DH.Data)}
			for i := range dh.Data {
				dh.Data[i] *= 1.05
			}
			return s.BackboneSession.Backward(ctx, sdk.BackwardRequest{DH: dh}, resp)
		}}
	}},
	{"a parameter that is used but not trained", "gradients", "parameter shift", func() sdk.Backbone { return flawed(flaws{constant: true}) }},
	{"a loss that is reported but not trained", "gradients", "finite differences", func() sdk.Backbone { return flawed(flaws{untrainedTerm: true}) }},
	{"a loss that is trained but not reported", "gradients", "finite differences", func() sdk.Backbone { return flawed(flaws{silentTerm: true}) }},
	{"a wrong gradient norm", "gradients", "gradient norm", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), backward: func(s *session, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
			err := s.BackboneSession.Backward(ctx, req, resp)
			resp.GradientNorm *= resp.GradientNorm
			return err
		}}
	}},
	{"a parameter that is not used", "parameters", "parameter forgotten", func() sdk.Backbone { return flawed(flaws{unused: true}) }},
	{"a place in the batch that matters", "rows", "reversed", func() sdk.Backbone {
		return &wrapped{
			inner: flawed(flaws{}), info: func(i *sdk.Info) { i.Capabilities.BatchIndependent = false },
			forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
				err := s.BackboneSession.Forward(ctx, req, resp)
				if err == nil && req.Mode == sdk.Eval {
					resp.H.Data[0] += 0.01
				}
				return err
			},
		}
	}},
	{"rows that see each other", "batch", "alone", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			err := s.BackboneSession.Forward(ctx, req, resp)
			if err == nil && req.Mode == sdk.Eval {
				centre(resp.H)
			}
			return err
		}}
	}},
	{"a snapshot that forgets the optimiser", "snapshot", "restored", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), restore: func(s *session, req sdk.RestoreRequest) error {
			if err := s.BackboneSession.Restore(ctx, req, &sdk.RestoreResponse{}); err != nil {
				return err
			}
			req.State = s.start.State
			return s.BackboneSession.Restore(ctx, req, &sdk.RestoreResponse{})
		}}
	}},
	{"a snapshot that disturbs the training", "snapshot", "snapshots in a row", func() sdk.Backbone {
		return &wrapped{
			inner: flawed(flaws{}),
			forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
				s.calls = 0
				return s.BackboneSession.Forward(ctx, req, resp)
			},
			snapshot: func(s *session, resp *sdk.SnapshotResponse) error {
				err := s.BackboneSession.Snapshot(ctx, sdk.SnapshotRequest{}, resp)
				resp.State = append(resp.State, make([]byte, s.calls)...)
				s.calls++ // since the last Forward
				return err
			},
		}
	}},
	{"sessions that share something", "sessions", "alone", func() sdk.Backbone {
		var mu sync.Mutex
		var last *session
		return &wrapped{inner: flawed(flaws{}), forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			err := s.BackboneSession.Forward(ctx, req, resp)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && s.calls > 0 && last != s {
				resp.H.Data[0] += 1e-3 // another session was here in between
			}
			s.calls++
			last = s
			return err
		}}
	}},
	{"rows that are kept", "slices", "kept", func() sdk.Backbone {
		return &wrapped{
			inner: flawed(flaws{}),
			forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
				s.rows = req.Rows
				s.calls = 0
				for _, r := range req.Rows {
					s.calls += int(r)
				}
				return s.BackboneSession.Forward(ctx, req, resp)
			},
			backward: func(s *session, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
				sum := 0
				for _, r := range s.rows {
					sum += int(r)
				}
				if sum != s.calls {
					req.DH = sdk.NewTensor(req.DH.Shape...)
				}
				return s.BackboneSession.Backward(ctx, req, resp)
			},
		}
	}},
	{"dh that is written to", "slices", "writes to dh", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), backward: func(s *session, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
			err := s.BackboneSession.Backward(ctx, req, resp)
			if err == nil {
				clear(req.DH.Data)
			}
			return err
		}}
	}},
	{"a panic on rows that do not exist", "refusals", "panic", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			for _, r := range req.Rows {
				_ = make([]struct{}, 48)[r]
			}
			return s.BackboneSession.Forward(ctx, req, resp)
		}}
	}},
	{"a Backward out of turn that is accepted", "refusals", "Backward before any Forward", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), backward: func(s *session, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
			err := s.BackboneSession.Backward(ctx, req, resp)
			if err != nil && strings.Contains(err.Error(), "without a forward") {
				return nil
			}
			return err
		}}
	}},
	{"an error without a code", "refusals", "code internal", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), backward: func(s *session, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
			if err := s.BackboneSession.Backward(ctx, req, resp); err != nil {
				return fmt.Errorf("something is wrong")
			}
			return nil
		}}
	}},
	{"a session that is lost after a bad request", "refusals", "of no use", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), forward: func(s *session, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			if s.calls < 0 {
				return sdk.Errorf(sdk.CodeInternal, "I gave up")
			}
			err := s.BackboneSession.Forward(ctx, req, resp)
			if sdk.CodeOf(err) == sdk.CodeBadRequest {
				s.calls = -1
			}
			return err
		}}
	}},
	{"hyperparameters that are not checked", "refusals", "no_such_hyperparameter", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error {
			known := sdk.Values{}
			for _, h := range info.Hyperparameters {
				known[h.Name] = r.Hyperparameters[h.Name]
			}
			r.Hyperparameters = known
			return nil
		}}
	}},
	{"a panic when the caller gives up", "cancel", "code panic", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), canceled: func(*session) error { panic("who left?") }}
	}},
	{"a plugin that is lost when a caller gives up", "cancel", "no session can be opened", func() sdk.Backbone {
		lost := false
		return &wrapped{
			inner: flawed(flaws{}), canceled: func(*session) error { lost = true; return sdk.Errorf(sdk.CodeCanceled, "you left") },
			open: func(*sdk.OpenRequest) error {
				if lost {
					lost = false // for a while
					return fmt.Errorf("no more")
				}
				return nil
			},
		}
	}},
	{"a second Close that panics", "close", "second Close", func() sdk.Backbone {
		return &wrapped{inner: flawed(flaws{}), close: func(s *session) error {
			if s.closed > 1 {
				panic("closed twice")
			}
			return s.BackboneSession.Close(ctx, sdk.CloseRequest{}, &sdk.CloseResponse{})
		}}
	}},
}

// centre takes the mean of every column off.
func centre(h sdk.Tensor) {
	rows, width := h.Shape[0], h.Shape[1]
	for j := range width {
		var mean float32
		for i := range rows {
			mean += h.Data[i*width+j] / float32(rows)
		}
		for i := range rows {
			h.Data[i*width+j] -= mean
		}
	}
}

func TestBackbone_Flaws(t *testing.T) {
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			expect(t, plugintest.CheckBackbone(ctx, b.make(), plugintest.Options{}), b.check, b.says)
		})
	}
}

// expect reports every check that failed and should not have, and the one that
// did not and should have.
func expect(t *testing.T, results []plugintest.Result, check, says string) {
	t.Helper()
	found := false
	for _, r := range results {
		text := r.Message + "\n" + r.Detail
		switch {
		case r.Name != check && r.Status == plugintest.Fail:
			t.Errorf("check %s fails: %s", r.Name, text)
		case r.Name != check:
		case r.Status != plugintest.Fail:
			t.Errorf("check %s does not find it", check)
		case !strings.Contains(text, says):
			t.Errorf("check %s says %q, without %q", check, text, says)
		}
		found = found || r.Name == check
	}
	if !found {
		t.Errorf("there is no check %s", check)
	}
	if !plugintest.Failed(results) {
		t.Error("Failed does not say so")
	}
}
