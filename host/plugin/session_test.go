package plugin

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

// Wrong answers end their session, and leave the process to the others.
func TestBackboneSession_wrongAnswers(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		beside := open(t, p, "", 0)
		for mode, c := range map[string]struct {
			code  sdk.Code
			parts []string
		}{
			"shape":      {sdk.CodeBadShape, []string{"h has shape [2 5], want [2 4]", "forward"}},
			"ragged":     {sdk.CodeBadShape, []string{"h of shape [2 4]"}},
			"absent":     {sdk.CodeBadShape, []string{"h has shape []"}},
			"nan":        {sdk.CodeNotFinite, []string{"h is NaN in row 1, column 2"}},
			"inf":        {sdk.CodeNotFinite, []string{"h is -Inf in row 0, column 0"}},
			"embeddings": {sdk.CodeBadShape, []string{"modality embeddings", "[2 3 2]"}},
			"panic":      {sdk.CodePanic, []string{"panicked at main.go:", "index out of range"}},
		} {
			t.Run(mode, func(t *testing.T) {
				s := open(t, p, mode, 0)
				h, err := forward(t, s)
				wants(t, err, c.code, append(c.parts, "backbone misbehave")...)
				if err != nil && strings.Contains(err.Error(), "grpc") {
					t.Errorf("calls that are none of the author's: %v", err)
				}
				if h != nil {
					t.Error("the wrong answer got through")
				}
				if sdk.Retryable(err) {
					t.Error("a wrong answer must not be retried: it comes again")
				}
				_, err = forward(t, s)
				wants(t, err, sdk.CodeClosed, "earlier error")
				if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
					t.Errorf("close: %v", err)
				}
				well(t, beside)
			})
		}
		if err := p.Err(); err != nil {
			t.Errorf("the process ended: %v", err)
		}
	})
}

func TestBackboneSession_backward(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		s := open(t, p, "norm", 0)
		dh := sdk.NewTensor(2, 4)
		back := func(dh sdk.Tensor) error {
			return s.Backward(t.Context(), sdk.BackwardRequest{DH: dh}, &sdk.BackwardResponse{})
		}
		wants(t, back(dh), sdk.CodeBadRequest, "without a forward")
		eval := batch
		eval.Mode = sdk.Eval
		if err := s.Forward(t.Context(), eval, &sdk.ForwardResponse{}); err != nil {
			t.Fatal(err)
		}
		wants(t, back(dh), sdk.CodeBadRequest, "train mode")
		if _, err := forward(t, s); err != nil {
			t.Fatal(err)
		}
		wants(t, back(sdk.NewTensor(3, 4)), sdk.CodeBadShape, "dh has shape [3 4], want [2 4]")
		dh.Data[7] = float32(math.NaN())
		wants(t, back(dh), sdk.CodeNotFinite, "dh is NaN in row 1, column 3")
		dh.Data[7] = 0
		wants(t, back(dh), sdk.CodeNotFinite, "gradient norm")
		_, err := forward(t, s)
		wants(t, err, sdk.CodeClosed)
	})
}

func TestBackboneSession_requests(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		s := open(t, p, "", 0)
		for name, change := range map[string]func(*sdk.ForwardRequest){
			"no rows":   func(r *sdk.ForwardRequest) { r.Rows, r.Availability = nil, nil },
			"too many":  func(r *sdk.ForwardRequest) { r.Rows, r.Availability = make([]int32, 9), make([]uint64, 9) },
			"masks":     func(r *sdk.ForwardRequest) { r.Availability = r.Availability[1:] },
			"labels":    func(r *sdk.ForwardRequest) { r.Labels = []float32{0, 1} },
			"in eval":   func(r *sdk.ForwardRequest) { r.Mode, r.Labels = sdk.Eval, []float32{0, 1} },
			"no labels": func(r *sdk.ForwardRequest) { r.Labels = []float32{} },
		} {
			req := batch
			change(&req)
			err := s.Forward(t.Context(), req, &sdk.ForwardResponse{})
			if sdk.CodeOf(err) != sdk.CodeBadRequest {
				t.Errorf("%s: got %v, want bad_request", name, err)
			}
		}
		well(t, s) // the host's own mistakes do no harm

		failing := open(t, p, "error", 0)
		_, err := forward(t, failing)
		for i := 0; i < 1000 && !strings.Contains(err.Error(), "the disk is warm"); i++ {
			_, err = forward(t, failing) // what it printed is read beside its answers
		}
		wants(t, err, sdk.CodeInternal, "disk on fire", "backbone misbehave", "forward", "its last lines", "the disk is warm")
	})
}

func TestOpenBackbone_refused(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		for name, c := range map[string]struct {
			change func(*sdk.OpenRequest)
			code   sdk.Code
			part   string
		}{
			"unknown setting": {func(r *sdk.OpenRequest) { r.Hyperparameters["mod"] = "x" }, sdk.CodeBadRequest, `did you mean "mode"`},
			"wrong setting":   {func(r *sdk.OpenRequest) { r.Hyperparameters["size"] = -1 }, sdk.CodeBadRequest, "size is -1"},
			"width":           {func(r *sdk.OpenRequest) { r.Width = 0 }, sdk.CodeBadRequest, "width"},
			"modalities":      {func(r *sdk.OpenRequest) { r.Modalities = nil }, sdk.CodeBadRequest, "modalities"},
			"task":            {func(r *sdk.OpenRequest) { r.Task.Kind = "regression" }, sdk.CodeBadRequest, "regression"},
			"other task":      {func(r *sdk.OpenRequest) { r.Task = sdk.Task{Kind: sdk.Multiclass, Classes: 3} }, sdk.CodeUnsupported, "multiclass"},
			"by the plugin": {func(r *sdk.OpenRequest) { r.Hyperparameters["mode"], r.FeatureStore = "open_error", "store" },
				sdk.CodeBadRequest, "/host/plugin/store"}, // made absolute
		} {
			req := openRequest("", 0)
			c.change(&req)
			_, err := OpenBackbone(t.Context(), p, req)
			t.Run(name, func(t *testing.T) { wants(t, err, c.code, c.part) })
		}
		_, err := OpenStrategy(t.Context(), p, sdk.StrategyOpenRequest{})
		wants(t, err, sdk.CodeBadRequest, "no strategy")
		well(t, open(t, p, "", 0))
	})
}

func TestSnapshot_checked(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		snapshot := func(s *BackboneSession) error {
			return s.Snapshot(t.Context(), sdk.SnapshotRequest{}, &sdk.SnapshotResponse{})
		}
		wants(t, snapshot(open(t, p, "twice", 0)), sdk.CodeBadShape, "weight occurs twice")

		s := open(t, p, "grow", 0)
		if err := snapshot(s); err != nil {
			t.Fatal(err)
		}
		if _, err := forward(t, s); err != nil {
			t.Fatal(err)
		}
		wants(t, snapshot(s), sdk.CodeBadShape, "they were")
	})
}

// A state larger than gRPC's default limit of 4 MiB and than a slot.
func TestSnapshot_large(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		s := open(t, p, "", 16<<20)
		var state sdk.SnapshotResponse
		if err := s.Snapshot(t.Context(), sdk.SnapshotRequest{}, &state); err != nil {
			t.Fatal(err)
		}
		if len(state.State) != 16<<20 {
			t.Fatalf("got %d bytes", len(state.State))
		}
		if err := s.Restore(t.Context(), sdk.RestoreRequest(state), nil); err != nil {
			t.Fatal(err)
		}
	})
}

// Answers have the same bits through shared memory and inside messages, on
// sockets and on gRPC streams.
func TestSession_sameBits(t *testing.T) {
	var results [4][]float32
	for i, cfg := range []Config{{}, {NoSharedMemory: true}, {NoSockets: true}, {NoSharedMemory: true, NoSockets: true}} {
		p := start(t, cfg)
		if (p.arena == nil) != cfg.NoSharedMemory || (p.door == nil) != cfg.NoSockets {
			t.Fatalf("%+v: shared memory %v, sockets %v", cfg, p.arena != nil, p.door != nil)
		}
		s := open(t, p, "", 0)
		for range 5 {
			h, err := forward(t, s)
			if err != nil {
				t.Fatal(err)
			}
			results[i] = append(results[i], h...)
			if _, err := backward(t, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, other := range results[1:] {
		if !slices.EqualFunc(results[0], other, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			t.Errorf("way %d answers %v, way 0 %v", i+1, other, results[0])
		}
	}
}

// Two sessions on one process, in step: each keeps its own model.
func TestSession_two(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		a, b := open(t, p, "", 0), open(t, p, "", 0)
		before, err := forward(t, a)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			well(t, b)
		}
		again, err := forward(t, a)
		if err != nil || !slices.Equal(before, again) {
			t.Errorf("training one session changed the other: %v, %v (%v)", before, again, err)
		}
		other, err := forward(t, b)
		if err != nil || slices.Equal(again, other) {
			t.Errorf("the second session did not train (%v)", err)
		}
	})
}

// A forward that is sent behind a backward gives what it gives after it, and an
// error of the backward is the backward's.
func TestBackboneSession_StartBackward(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc, Timeouts: Timeouts{Step: 20 * time.Second}})
		behind, after := open(t, p, "", 0), open(t, p, "", 0)
		well(t, behind)
		well(t, after)
		dh := sdk.NewTensor(2, 4)
		for step := range 20 {
			dh.Data[step%8] = float32(step) / 8
			var pending, finished sdk.BackwardResponse
			wait := behind.StartBackward(t.Context(), sdk.BackwardRequest{DH: dh}, &pending)
			got, err := forward(t, behind)
			if err != nil {
				t.Fatal(err)
			}
			if err := wait(); err != nil {
				t.Fatal(err)
			}
			if err := after.Backward(t.Context(), sdk.BackwardRequest{DH: dh}, &finished); err != nil {
				t.Fatal(err)
			}
			want, err := forward(t, after)
			if err != nil || !slices.Equal(got, want) || pending.GradientNorm != finished.GradientNorm {
				t.Fatalf("step %d: got %v and norm %v, want %v and %v (%v)", step, got, pending.GradientNorm, want, finished.GradientNorm, err)
			}
		}
		bad := sdk.NewTensor(3, 4)
		wants(t, behind.StartBackward(t.Context(), sdk.BackwardRequest{DH: bad}, &sdk.BackwardResponse{})(), sdk.CodeBadShape, "dh has shape [3 4]")
		well(t, behind)

		s := open(t, p, "norm", 0)
		if _, err := forward(t, s); err != nil {
			t.Fatal(err)
		}
		wait := s.StartBackward(t.Context(), sdk.BackwardRequest{DH: dh}, &sdk.BackwardResponse{})
		if _, err := forward(t, s); err != nil {
			wants(t, err, sdk.CodeClosed) // it came after the answer
		}
		wants(t, wait(), sdk.CodeNotFinite, "answer to backward", "the gradient norm is NaN")

		s = open(t, p, "exit", 0)
		if _, err := forward(t, s); err != nil {
			t.Fatal(err)
		}
		wait = s.StartBackward(t.Context(), sdk.BackwardRequest{DH: dh}, &sdk.BackwardResponse{})
		_, err := forward(t, s)
		if code := sdk.CodeOf(err); code != sdk.CodePluginCrash && code != sdk.CodeClosed {
			t.Errorf("a forward behind a crash: got %v", err)
		}
		wants(t, wait(), sdk.CodePluginCrash, "status 0")
	})
}

// The deadline of a backward holds while nobody waits for it, and a forward
// behind it waits for both.
func TestBackboneSession_StartBackward_hangs(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc, Timeouts: Timeouts{Step: 300 * time.Millisecond}})
		s := open(t, p, "hang_backward", 0)
		if _, err := forward(t, s); err != nil {
			t.Fatal(err)
		}
		wait := s.StartBackward(t.Context(), sdk.BackwardRequest{DH: sdk.NewTensor(2, 4)}, &sdk.BackwardResponse{})
		if got, want := s.patience(), 600*time.Millisecond; got != want {
			t.Errorf("a forward behind it may take %v, want %v", got, want)
		}
		gone(t, p)
		wants(t, wait(), sdk.CodeDeadline, "no answer to backward within 300ms")
		if got, want := s.patience(), 300*time.Millisecond; got != want {
			t.Errorf("a forward may take %v, want %v", got, want)
		}
	})
}

// A session does not wait for another one of its process that hangs, whatever
// that one has been sent.
func TestSession_besideHanging(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc, NoSharedMemory: true})
		hanging, other := open(t, p, "hang", 8<<20), open(t, p, "", 8<<20)
		var state sdk.SnapshotResponse
		if err := hanging.Snapshot(t.Context(), sdk.SnapshotRequest{}, &state); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		wait.Go(func() {
			_, err := forward(t, hanging)
			wants(t, err, sdk.CodeClosed)
		})
		wait.Go(func() { // 8 MiB that nobody reads
			var err error
			for err == nil { // unless it came before the forward
				err = hanging.Restore(t.Context(), sdk.RestoreRequest(state), nil)
			}
			wants(t, err, sdk.CodeClosed)
		})
		for range 20 {
			well(t, other)
		}
		if err := other.Restore(t.Context(), sdk.RestoreRequest(state), nil); err != nil {
			t.Error(err)
		}
		p.Kill()
		wait.Wait()
	})
}

func TestSession_canceled(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		s := open(t, p, "", 0)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.Forward(ctx, batch, &sdk.ForwardResponse{})
		wants(t, err, sdk.CodeCanceled)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v does not unwrap to context.Canceled", err)
		}
		if err := p.Err(); err != nil {
			t.Errorf("the process ended: %v", err)
		}
		well(t, open(t, p, "", 0))
	})
}

func startStrategy(t *testing.T, grpc bool) *Process {
	t.Helper()
	p, err := Start(t.Context(), install(t, t.TempDir(), "strategy", "strategy"), Config{NoSockets: grpc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func openStrategy(t *testing.T, p *Process, mode string) *StrategySession {
	t.Helper()
	s, err := OpenStrategy(t.Context(), p, sdk.StrategyOpenRequest{
		Availability: []uint64{1, 3, 3}, Labels: []float32{0, 1, 1}, Covariates: sdk.NewTensor(3, 0), Groups: []int32{0, 1, 1},
		Prior: map[uint64]float64{1: 0.5, 3: 0.5}, Modalities: 2, Task: sdk.Task{Kind: sdk.Binary},
		Hyperparameters: sdk.Values{"mode": mode}, Width: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func objectiveRequest() sdk.ObjectiveRequest {
	h := sdk.NewTensor(2, 4)
	h.Data[5] = 0.25
	return sdk.ObjectiveRequest{
		Rows: []int32{0, 2}, H: h, Logits: sdk.NewTensor(2, 1), RowLoss: []float32{0.5, 0.25},
		Labels: []float32{0, 1}, Availability: []uint64{1, 3}, Groups: []int32{0, 1},
	}
}

func TestStrategySession(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := startStrategy(t, grpc)
		s := openStrategy(t, p, "")
		var augmented sdk.AugmentResponse
		if err := s.Augment(t.Context(), sdk.AugmentRequest{Rows: []int32{0, 2}, Availability: []uint64{1, 3}}, &augmented); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(augmented.Availability, []uint64{1, 3}) {
			t.Errorf("got %v", augmented.Availability)
		}
		req := objectiveRequest()
		var resp sdk.ObjectiveResponse
		if err := s.Objective(t.Context(), req, &resp); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(resp.Weights, []float32{1, 0.5}) || !slices.Equal(resp.DH.Data, req.H.Data) || !resp.DLogits.Absent() {
			t.Errorf("got %+v", resp)
		}
		var state sdk.SnapshotResponse
		if err := s.Snapshot(t.Context(), sdk.SnapshotRequest{}, &state); err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(t.Context(), sdk.RestoreRequest(state), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStrategySession_wrongAnswers(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := startStrategy(t, grpc)
		for mode, c := range map[string]struct {
			code sdk.Code
			part string
		}{
			"more":     {sdk.CodeBadShape, "row 0 gets modality 40"},
			"none":     {sdk.CodeBadShape, "row 0 is left without"},
			"fewer":    {sdk.CodeBadShape, "1 availability masks for 2 rows"},
			"negative": {sdk.CodeBadShape, "weight of row 0 is -1"},
			"weights":  {sdk.CodeBadShape, "1 weights for 2 rows"},
			"nan":      {sdk.CodeNotFinite, "weight is NaN in row 1"},
			"penalty":  {sdk.CodeNotFinite, "the penalty is +Inf"},
			"dlogits":  {sdk.CodeBadShape, "dlogits has shape [2 7], want [2 1]"},
			"terms":    {sdk.CodeBadShape, "a term has the name"},
		} {
			t.Run(mode, func(t *testing.T) {
				s := openStrategy(t, p, mode)
				err := s.Augment(t.Context(), sdk.AugmentRequest{Rows: []int32{0, 2}, Availability: []uint64{1, 3}}, &sdk.AugmentResponse{})
				if err == nil {
					err = s.Objective(t.Context(), objectiveRequest(), &sdk.ObjectiveResponse{})
				}
				wants(t, err, c.code, c.part, "strategy strategy")
			})
		}
		if err := p.Err(); err != nil {
			t.Errorf("the process ended: %v", err)
		}
		req := objectiveRequest()
		req.RowLoss = req.RowLoss[1:]
		wants(t, openStrategy(t, p, "").Objective(t.Context(), req, &sdk.ObjectiveResponse{}), sdk.CodeBadRequest, "1 losses")
	})
}

func TestTail(t *testing.T) {
	var l log
	tl := &tail{log: &l}
	if got := tl.quote(); !strings.Contains(got, "printed nothing") {
		t.Errorf("got %q", got)
	}
	tl.follow(strings.NewReader("a\r\nb \xff\x00\n"+strings.Repeat("x", 3*maxLine)+"\nlast"), nil)
	lines := tl.last(10)
	if len(lines) != 4 || lines[0] != "a" || lines[1] != "b �" || len(lines[2]) != maxLine || lines[3] != "last" {
		t.Errorf("got %.80q", lines)
	}
	if got := strings.Count(l.String(), "\n"); got != 4 {
		t.Errorf("the log got %d lines, want 4", got)
	}
}
