package plugintest_test

import (
	"context"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
	"github.com/deconfound/deconfound/sdk/transport"
)

// wired is the honest plugin of either kind with a session that answers what is
// malformed.
type wired struct {
	sdk.Backbone
	answer func() error
	ends   bool
	spoilt *bool // what the plugin answers from then on is wrong
}

func (w wired) malformed() []transport.Malformed {
	return []transport.Malformed{{Name: "half a lie", Ends: w.ends, Send: func(context.Context) error { return w.answer() }}}
}

func (w wired) Open(ctx context.Context, req sdk.OpenRequest, resp *sdk.OpenResponse) error {
	err := w.Backbone.Open(ctx, req, resp)
	resp.Session = wiredBackbone{resp.Session, w}
	return err
}

type wiredBackbone struct {
	sdk.BackboneSession
	plugin wired
}

func (s wiredBackbone) Malformed() []transport.Malformed { return s.plugin.malformed() }

func (s wiredBackbone) Forward(ctx context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	err := s.BackboneSession.Forward(ctx, req, resp)
	if err == nil && *s.plugin.spoilt {
		resp.H.Data[0]++
	}
	return err
}

type wiredRule struct {
	sdk.Strategy
	plugin wired
}

func (w wiredRule) Open(ctx context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	err := w.Strategy.Open(ctx, req, resp)
	resp.Session = wiredStrategy{resp.Session, w.plugin}
	return err
}

type wiredStrategy struct {
	sdk.StrategySession
	plugin wired
}

func (s wiredStrategy) Malformed() []transport.Malformed { return s.plugin.malformed() }

func (s wiredStrategy) Objective(ctx context.Context, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	err := s.StrategySession.Objective(ctx, req, resp)
	if err == nil && *s.plugin.spoilt {
		resp.Penalty++
	}
	return err
}

func TestWire(t *testing.T) {
	spoilt := false
	code := func(c sdk.Code) func() error { return func() error { return sdk.Errorf(c, "no") } }
	for name, c := range map[string]struct {
		answer func() error
		ends   bool
		says   string // "" if it must pass
	}{
		"refused":             {code(sdk.CodeProtocol), false, ""},
		"ended":               {code(sdk.CodePluginCrash), true, ""},
		"accepted":            {func() error { return nil }, false, "is accepted"},
		"an accepted frame":   {func() error { return nil }, true, "is accepted"},
		"crashed":             {code(sdk.CodePluginCrash), false, "refused with code plugin_crash"},
		"a panic":             {code(sdk.CodePanic), false, "refused with code panic"},
		"harm to another one": {func() error { spoilt = true; return sdk.Errorf(sdk.CodeProtocol, "no") }, false, "after malformed messages"},
	} {
		t.Run(name, func(t *testing.T) {
			plugin := wired{flawed(flaws{}), c.answer, c.ends, &spoilt}
			for _, check := range []func() []plugintest.Result{
				func() []plugintest.Result {
					return plugintest.CheckBackbone(ctx, plugin, plugintest.Options{Only: []string{"wire"}})
				},
				func() []plugintest.Result {
					return plugintest.CheckStrategy(ctx, wiredRule{honestRule(), plugin}, plugintest.Options{Only: []string{"wire"}})
				},
			} {
				spoilt = false
				results := check()
				if c.says != "" {
					expect(t, results, "wire", c.says)
				} else if plugintest.Failed(results) || len(results) != 2 || results[1].Status != plugintest.Pass {
					t.Errorf("got %+v", results)
				}
			}
		})
	}
}
