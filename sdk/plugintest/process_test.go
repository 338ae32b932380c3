package plugintest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// process stands for the process of a plugin; nil fields are a good one.
type process struct {
	usage   func() plugintest.Usage
	other   sdk.Backbone
	rule    sdk.Strategy
	sampler sdk.Sampler
	orphans []string
}

func (p process) Usage() (plugintest.Usage, error) {
	if p.usage == nil {
		return plugintest.Usage{Memory: 10 << 20, Files: 9, Threads: 8}, nil
	}
	return p.usage(), nil
}

func (p process) Backbone(context.Context) (sdk.Backbone, func(), error) {
	if p.other == nil {
		return flawed(flaws{}), func() {}, nil
	}
	return p.other, func() {}, nil
}

func (p process) Strategy(context.Context) (sdk.Strategy, func(), error) {
	if p.rule == nil {
		return honestRule(), func() {}, nil
	}
	return p.rule, func() {}, nil
}

func (p process) Sampler(context.Context) (sdk.Sampler, func(), error) {
	if p.sampler == nil {
		return drawing(samplerFlaws{}), func() {}, nil
	}
	return p.sampler, func() {}, nil
}

func (p process) Orphans(context.Context) ([]string, error) { return p.orphans, nil }

// growing uses more at every look, by the given step, from the beginning or at first
// only.
func growing(step plugintest.Usage, looks int) func() plugintest.Usage {
	u := plugintest.Usage{Memory: 10 << 20, Files: 9, Threads: 8}
	return func() plugintest.Usage {
		if looks--; looks >= 0 {
			u.Memory, u.Files, u.Threads = u.Memory+step.Memory, u.Files+step.Files, u.Threads+step.Threads
		}
		return u
	}
}

func TestBackbone_Process(t *testing.T) {
	const always = 1 << 20
	for name, c := range map[string]struct {
		process     process
		check, says string // "" if it must pass
	}{
		"good":           {process{}, "", ""},
		"warming up":     {process{usage: growing(plugintest.Usage{Memory: 1 << 20, Files: 1, Threads: 1}, 9)}, "", ""},
		"memory":         {process{usage: growing(plugintest.Usage{Memory: 1 << 19}, always)}, "resources", "memory"},
		"files":          {process{usage: growing(plugintest.Usage{Files: 1}, always)}, "resources", "open files"},
		"threads":        {process{usage: growing(plugintest.Usage{Threads: 1}, always)}, "resources", "threads"},
		"orphans":        {process{orphans: []string{"sleep 17"}}, "host", "sleep 17"},
		"another seed":   {process{other: &wrapped{inner: flawed(flaws{}), open: func(r *sdk.OpenRequest) error { r.Seed++; return nil }}}, "restart", "other bits"},
		"half the state": {process{other: &wrapped{inner: flawed(flaws{}), restore: forgetful}}, "restart", "goes on differently"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := plugintest.CheckBackbone(ctx, flawed(flaws{}), plugintest.Options{Process: c.process, Only: []string{"restart", "resources", "host"}})
			if c.check != "" {
				expect(t, results, c.check, c.says)
			} else if plugintest.Failed(results) {
				t.Errorf("got %+v", results)
			}
			for _, r := range results {
				if r.Status == plugintest.Skip || (r.Status == plugintest.Fail) != (r.Mend != "") {
					t.Errorf("got %+v", r)
				}
			}
		})
	}
	for _, r := range plugintest.CheckBackbone(ctx, flawed(flaws{}), plugintest.Options{Only: []string{"restart", "resources", "host"}}) {
		if r.Name != "info" && (r.Status != plugintest.Skip || !strings.Contains(r.Message, "plugin check")) {
			t.Errorf("without a process: got %+v", r)
		}
	}
}

// forgetful restores parameters and no state of the optimiser.
func forgetful(s *session, req sdk.RestoreRequest) error {
	if err := s.BackboneSession.Restore(ctx, req, &sdk.RestoreResponse{}); err != nil {
		return err
	}
	req.State = s.start.State
	return s.BackboneSession.Restore(ctx, req, &sdk.RestoreResponse{})
}

func honestRule() sdk.Strategy { return strategy.New(strategyInfo, newRule) }

func TestStrategy_Process(t *testing.T) {
	const always = 1 << 20
	another := func(w wrappedStrategy) process {
		w.Strategy = honestRule()
		return process{rule: &w}
	}
	only := []string{"restart", "resources", "host"}
	for name, c := range map[string]struct {
		process     process
		check, says string // "" if it must pass
	}{
		"good":         {process{}, "", ""},
		"memory":       {process{usage: growing(plugintest.Usage{Memory: 1 << 19}, always)}, "resources", "memory"},
		"files":        {process{usage: growing(plugintest.Usage{Files: 1}, always)}, "resources", "open files"},
		"threads":      {process{usage: growing(plugintest.Usage{Threads: 1}, always)}, "resources", "threads"},
		"orphans":      {process{orphans: []string{"sleep 17"}}, "host", "sleep 17"},
		"another seed": {another(wrappedStrategy{open: func(r *sdk.StrategyOpenRequest) { r.Seed++ }}), "restart", "other bits"},
		"half the state": {another(wrappedStrategy{restore: func(s *strategySession, req sdk.RestoreRequest) error {
			req.State = make([]byte, 8)
			return s.StrategySession.Restore(ctx, req, &sdk.RestoreResponse{})
		}}), "restart", "goes on differently"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := plugintest.CheckStrategy(ctx, honestRule(), plugintest.Options{Process: c.process, Only: only})
			if c.check != "" {
				expect(t, results, c.check, c.says)
			} else if plugintest.Failed(results) {
				t.Errorf("got %+v", results)
			}
			for _, r := range results {
				if r.Status == plugintest.Skip || (r.Status == plugintest.Fail) != (r.Mend != "") {
					t.Errorf("got %+v", r)
				}
			}
		})
	}
	for _, r := range plugintest.CheckStrategy(ctx, honestRule(), plugintest.Options{Only: append(only, "wire")}) {
		if r.Name != "info" && (r.Status != plugintest.Skip || !strings.Contains(r.Message, "plugin check")) {
			t.Errorf("without a process: got %+v", r)
		}
	}
}
