package transport

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
)

// fakeSampler is an author by fields.
type fakeSampler struct {
	propose func(context.Context, sdk.ProposeRequest, *sdk.ProposeResponse) error
}

func (f fakeSampler) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = sdk.Info{Kind: sdk.KindSampler, Name: "fake", Version: "1"}
	return nil
}

func (f fakeSampler) Propose(ctx context.Context, req sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
	return f.propose(ctx, req, resp)
}

func connectSampler(t *testing.T, f func(context.Context, sdk.ProposeRequest, *sdk.ProposeResponse) error) *Client {
	return connect(t, way{}, 0, func(s grpc.ServiceRegistrar, _ *Arena, _ *Door) { RegisterSampler(s, fakeSampler{f}) })
}

func TestPropose_roundTrip(t *testing.T) {
	want := sdk.ProposeRequest{
		Hyperparameters: sdk.Values{"startup": int64(3), "share": 0.5, "liar": true, "rule": "ei"},
		Dimensions: []sdk.Dimension{
			{Name: "backbone.kind", Kind: sdk.Choice, Values: []any{"a", int64(2), 2.5, false}, Conditional: true},
			{Name: "optimizer.lr", Kind: sdk.LogUniform, Min: 1e-4, Max: 1e-1},
			{Name: "run.width", Kind: sdk.IntUniform, Min: 8, Max: 64, Step: 8},
		},
		Maximize: true, Epochs: 30, Number: 7, Seed: math.MaxUint64,
		Trials: []sdk.Trial{
			{Number: 0, State: sdk.TrialDone, Point: sdk.Values{"optimizer.lr": 0.01}, Epoch: 30, Value: 0.75},
			{Number: 3, State: sdk.TrialPruned, Point: sdk.Values{"run.width": int64(8)}, Epoch: 3, Value: math.NaN()},
			{Number: 4, State: sdk.TrialPending, Point: sdk.Values{}},
		},
		Refused: []sdk.Values{{"run.width": int64(64)}},
	}
	point := sdk.Values{"backbone.kind": int64(2), "optimizer.lr": 0.0625, "run.width": int64(16)}
	var got sdk.ProposeRequest
	client := connectSampler(t, func(_ context.Context, req sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
		got, resp.Point = req, point
		return nil
	})
	if info, err := client.Info(t.Context()); err != nil || info.Kind != sdk.KindSampler {
		t.Errorf("got %+v, %v", info, err)
	}
	var resp sdk.ProposeResponse
	if _, err := client.Propose(t.Context(), want, &resp); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("the request (-sent +received):\n%s", diff)
	}
	if diff := cmp.Diff(point, resp.Point); diff != "" {
		t.Errorf("the point (-sent +received):\n%s", diff)
	}
}

func TestPropose_errors(t *testing.T) {
	for name, c := range map[string]struct {
		propose func(context.Context, sdk.ProposeRequest, *sdk.ProposeResponse) error
		code    sdk.Code
		text    string
	}{
		"error": {func(context.Context, sdk.ProposeRequest, *sdk.ProposeResponse) error {
			return sdk.Errorf(sdk.CodeBadRequest, "no dimensions")
		}, sdk.CodeBadRequest, "no dimensions"},
		"panic": {func(context.Context, sdk.ProposeRequest, *sdk.ProposeResponse) error {
			panic("broken")
		}, sdk.CodePanic, "sampler_test.go"},
		"too large": {func(_ context.Context, _ sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
			resp.Point = sdk.Values{"x": strings.Repeat("x", maxPoint)}
			return nil
		}, sdk.CodeMessageTooLarge, "the limit is"},
		"no UTF-8": {func(_ context.Context, _ sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
			resp.Point = sdk.Values{"\xff": "\xff"}
			return nil
		}, "", ""},
	} {
		var resp sdk.ProposeResponse
		_, err := connectSampler(t, c.propose).Propose(t.Context(), sdk.ProposeRequest{}, &resp)
		if sdk.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v, want code %q", name, err, c.code)
		}
	}
}

// A plugin of another kind says that it proposes nothing.
func TestPropose_noSampler(t *testing.T) {
	client := connect(t, way{}, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) { RegisterStrategy(s, fakeStrategy{}, a, d) })
	var resp sdk.ProposeResponse
	if _, err := client.Propose(t.Context(), sdk.ProposeRequest{}, &resp); sdk.CodeOf(err) != sdk.CodeUnsupported {
		t.Errorf("got %v", err)
	}
}

// A caller that gives up does not wait; done says when the plugin has stopped.
func TestPropose_canceled(t *testing.T) {
	called, release := make(chan struct{}), make(chan struct{})
	client := connectSampler(t, func(context.Context, sdk.ProposeRequest, *sdk.ProposeResponse) error {
		close(called)
		<-release
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-called
		cancel()
	}()
	var resp sdk.ProposeResponse
	done, err := client.Propose(ctx, sdk.ProposeRequest{}, &resp)
	if sdk.CodeOf(err) != sdk.CodeCanceled {
		t.Fatalf("got %v", err)
	}
	select {
	case <-done:
		t.Error("done before the plugin has answered")
	default:
	}
	close(release)
	<-done
}
