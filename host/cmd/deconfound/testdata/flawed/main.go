// Program flawed is a backbone, or with the argument strategy a strategy, that does
// everything right but what its hyperparameter flaw names, which only its process
// shows.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/serve"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var flaw = []sdk.Hyperparameter{{Name: "flaw", Type: sdk.String, Default: "", Text: "What goes wrong."}}

var info = sdk.Info{
	Name: "flawed", Version: "1.0.0", Licence: "Apache-2.0",
	Hyperparameters: append(encoder.HyperparametersWith(4, 0), flaw...),
	Capabilities:    sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "daemon" {
		// In a session of its own, where no signal to the plugin's group reaches it. The
		// test ends it, by its number in a file.
		child := exec.Command("sleep", "1000")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			panic(err)
		}
		f, err := os.OpenFile(os.Args[2], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(f, child.Process.Pid)
		f.Close()
	}
	if len(os.Args) > 1 && os.Args[1] == "strategy" {
		serve.Strategy(flawedRule{strategy.New(sdk.Info{
			Name: "flawed", Version: "1.0.0", Licence: "Apache-2.0", Hyperparameters: flaw,
			Capabilities: sdk.Capabilities{Deterministic: true},
		}, func(strategy.Config) (strategy.Rule, error) { return rule{}, nil })})
		return
	}
	serve.Backbone(flawed{backbone.New(info, build)})
}

// model is the sum of the embeddings.
type model struct {
	params   nn.Params
	encoders *encoder.Set
}

func build(c backbone.Config) (backbone.Model, error) {
	m := &model{}
	m.encoders = encoder.New(&m.params, encoder.Config{Modalities: c.Modalities, Width: c.Width, Hidden: 4, Rand: c.Rand})
	return backbone.FromTape(m), nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	return t.Tanh(t.Sum(m.encoders.Encode(t, b)...)), nil
}

type flawed struct{ sdk.Backbone }

func (f flawed) Open(ctx context.Context, req sdk.OpenRequest, resp *sdk.OpenResponse) error {
	flaw := req.Hyperparameters.String("flaw")
	if flaw == "process" {
		req.Seed += uint64(os.Getpid())
	}
	if err := f.Backbone.Open(ctx, req, resp); err != nil {
		return err
	}
	resp.Session = &session{resp.Session, flaw}
	return nil
}

type session struct {
	sdk.BackboneSession
	flaw string
}

var (
	kept  [][]byte
	files []*os.File
)

func (s *session) Forward(ctx context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	if err := waste(s.flaw, len(req.Rows)); err != nil {
		return err
	}
	return s.BackboneSession.Forward(ctx, req, resp)
}

// rule weighs rows by their loss.
type rule struct{}

func (rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	weights := make([]float32, len(b.RowLoss))
	for i, loss := range b.RowLoss {
		weights[i] = 1 + loss*loss
	}
	return weights, nil, nil
}

type flawedRule struct{ sdk.Strategy }

func (f flawedRule) Open(ctx context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	if err := f.Strategy.Open(ctx, req, resp); err != nil {
		return err
	}
	resp.Session = &ruleSession{resp.Session, req.Hyperparameters.String("flaw"), 0}
	return nil
}

type ruleSession struct {
	sdk.StrategySession
	flaw  string
	calls int
}

func (s *ruleSession) Objective(ctx context.Context, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	s.calls++
	if err := waste(s.flaw, s.calls); err != nil {
		return err
	}
	err := s.StrategySession.Objective(ctx, req, resp)
	if err == nil && s.flaw == "process" {
		resp.Weights[0] += float32(os.Getpid())
	}
	return err
}

// waste takes what is never given back.
func waste(flaw string, turn int) error {
	switch flaw {
	case "memory":
		block := make([]byte, 256<<10)
		for i := range block {
			block[i] = byte(i)
		}
		kept = append(kept, block)
	case "files":
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		files = append(files, f)
	case "threads":
		if turn%2 == 0 {
			go func() {
				runtime.LockOSThread()
				<-time.After(time.Hour)
			}()
		}
	}
	return nil
}
