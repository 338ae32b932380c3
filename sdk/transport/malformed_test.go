package transport

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"slices"
	"testing"

	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// The plugin's end refuses whatever is malformed before the author's code sees it,
// and serves other sessions on. fakeSession has no methods that could be called.
func TestMalformed_refused(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		backbones := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
			RegisterBackbone(s, fakeBackbone{open: func(sdk.OpenRequest) (sdk.BackboneSession, error) { return &fakeSession{}, nil }}, a, d)
		})
		strategies := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
			RegisterStrategy(s, fakeStrategy{open: func(sdk.StrategyOpenRequest) (sdk.StrategySession, error) { return &fakeSession{}, nil }}, a, d)
		})
		opens := map[string]func() ([]Malformed, error){
			"backbone": func() ([]Malformed, error) {
				s, err := backbones.OpenBackbone(t.Context(), sdk.OpenRequest{})
				if err != nil {
					return nil, err
				}
				return s.Malformed(), nil
			},
			"strategy": func() ([]Malformed, error) {
				s, err := strategies.OpenStrategy(t.Context(), sdk.StrategyOpenRequest{})
				if err != nil {
					return nil, err
				}
				return s.Malformed(), nil
			},
		}
		for kind, open := range opens {
			all, err := open()
			if err != nil {
				t.Fatal(err)
			}
			frames := 0
			for i, m := range all {
				again, err := open()
				if err != nil {
					t.Fatalf("%s, before %s: %v", kind, m.Name, err)
				}
				code := sdk.CodeOf(again[i].Send(t.Context()))
				refusals := []sdk.Code{sdk.CodeProtocol, sdk.CodeBadShape, sdk.CodeUnsupported}
				if m.Ends {
					frames++
					refusals = []sdk.Code{sdk.CodeProtocol, sdk.CodePluginCrash}
				}
				if again[i].Name != m.Name || !slices.Contains(refusals, code) {
					t.Errorf("%s: %s ends with code %q, want one of %v", kind, m.Name, code, refusals)
				}
			}
			if want := map[bool]int{true: 3}[w.socket]; frames != want || len(all) < 12 {
				t.Errorf("%s: %d frames of %d that are malformed, want %d", kind, frames, len(all), want)
			}
		}
	})
}

// A plugin that answers with what is no message, or in the wrong kind of answer, loses
// its session, whichever kind that is.
func TestSession_garbage(t *testing.T) {
	frame := func(claimed uint32, body ...byte) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, claimed), body...)
	}
	for name, c := range map[string]struct {
		answer []byte
		code   sdk.Code
	}{
		"no message":      {frame(40, bytes.Repeat([]byte{0xff}, 40)...), sdk.CodeProtocol},
		"4 GiB":           {frame(math.MaxUint32), sdk.CodeProtocol},
		"half a frame":    {frame(40, 1, 2, 3), sdk.CodePluginCrash},
		"half a header":   {[]byte{4, 0}, sdk.CodePluginCrash},
		"nothing":         {nil, sdk.CodePluginCrash},
		"an empty frame":  {frame(0), sdk.CodeProtocol},
		"an empty answer": {frame(2, 8, 2), sdk.CodeProtocol}, // sequence 2 and no reply
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, way{socket: true}, 0, func(s grpc.ServiceRegistrar, _ *Arena, d *Door) {
				pb.RegisterPluginServer(s, &liar{})
				go func() {
					for range 2 {
						file, err := d.accept()
						if err != nil {
							return
						}
						answerOpen(file, c.answer)
					}
				}()
			})
			backbone, err := client.OpenBackbone(t.Context(), sdk.OpenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if err := backbone.Forward(t.Context(), sdk.ForwardRequest{}, &sdk.ForwardResponse{}); sdk.CodeOf(err) != c.code {
				t.Errorf("backbone: got %v (%s), want %s", err, sdk.CodeOf(err), c.code)
			}
			<-backbone.Done()
			strategy, err := client.OpenStrategy(t.Context(), sdk.StrategyOpenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if err := strategy.Objective(t.Context(), sdk.ObjectiveRequest{}, &sdk.ObjectiveResponse{}); sdk.CodeOf(err) != c.code {
				t.Errorf("strategy: got %v (%s), want %s", err, sdk.CodeOf(err), c.code)
			}
			<-strategy.Done()
		})
	}
}

// answerOpen answers the first message of a session as it should and the second with
// some bytes, and ends.
func answerOpen(file *os.File, second []byte) {
	defer file.Close()
	f := newFrames(file, MaxMessage)
	m := &pb.HostMessage{}
	if f.receive(m) != nil || f.send(&pb.PluginMessage{Sequence: 1, Reply: &pb.PluginMessage_Open{Open: &pb.OpenResponse{}}}) != nil {
		return
	}
	if f.receive(m) == nil {
		_, _ = file.Write(second) // the host may be gone
	}
}
