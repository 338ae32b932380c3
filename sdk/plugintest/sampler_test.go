package plugintest_test

import (
	"context"
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
	"github.com/deconfound/deconfound/sdk/sampler"
)

// samplerFlaws are what a sampler does wrong.
type samplerFlaws struct {
	kind sdk.Kind
	// change changes a point of a request; calls counts those before.
	change func(req sdk.ProposeRequest, point sdk.Values, calls int)
	fail   func(req sdk.ProposeRequest) error
	lax    bool // takes every request
	seeded bool // draws from seed and trial alone, whatever was refused
	fixed  bool // draws from nothing
}

// drawing draws points at random.
func drawing(f samplerFlaws) sdk.Sampler { return &drawn{samplerFlaws: f} }

type drawn struct {
	samplerFlaws
	calls int
}

func (d *drawn) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = sdk.Info{Kind: sdk.KindSampler, Name: "drawn", Version: "1"}
	if d.kind != "" {
		resp.Info.Kind = d.kind
	}
	return nil
}

func (d *drawn) Propose(ctx context.Context, req sdk.ProposeRequest, resp *sdk.ProposeResponse) error {
	d.calls++
	if d.fail != nil {
		if err := d.fail(req); err != nil {
			return err
		}
	}
	if err := req.Validate(); err != nil && d.lax {
		resp.Point = sdk.Values{}
		return nil
	}
	of := req
	if d.seeded {
		of.Refused = nil
	}
	if d.fixed {
		of.Refused, of.Seed, of.Number = nil, 0, 0
	}
	whole := sampler.New(sdk.Info{Name: "drawn", Version: "1"}, func(req sdk.ProposeRequest) (sdk.Values, error) {
		point := sdk.Values{}
		for _, d := range of.Dimensions {
			point[d.Name] = sampler.At(d, sampler.Rand(of, d.Name).Float64())
		}
		return point, nil
	})
	if err := whole.Propose(ctx, req, resp); err != nil {
		return err
	}
	if d.change != nil {
		d.change(req, resp.Point, d.calls)
	}
	return nil
}

func TestSampler_Honest(t *testing.T) { plugintest.Sampler(t, drawing(samplerFlaws{})) }

// Every flaw is found by the check that is there for it.
func TestSampler_Flaws(t *testing.T) {
	for name, c := range map[string]struct {
		flaws       samplerFlaws
		check, says string
	}{
		"kind": {samplerFlaws{kind: sdk.KindStrategy}, "info", "is a strategy"},
		"outside": {samplerFlaws{change: func(_ sdk.ProposeRequest, p sdk.Values, _ int) {
			if _, ok := p["optimizer.lr"]; ok {
				p["optimizer.lr"] = 1.0
			}
		}}, "proposals", "outside"},
		"NaN": {samplerFlaws{change: func(_ sdk.ProposeRequest, p sdk.Values, _ int) {
			if _, ok := p["optimizer.lr"]; ok {
				p["optimizer.lr"] = math.NaN()
			}
		}}, "proposals", "NaN"},
		"no conditional parameters": {samplerFlaws{change: func(_ sdk.ProposeRequest, p sdk.Values, _ int) { delete(p, "head.dropout") }}, "proposals", "no value of head.dropout"},
		"between steps": {samplerFlaws{change: func(_ sdk.ProposeRequest, p sdk.Values, _ int) {
			if _, ok := p["run.width"]; ok {
				p["run.width"] = int64(30)
			}
		}}, "proposals", "between the steps"},
		"counter": {samplerFlaws{change: func(_ sdk.ProposeRequest, p sdk.Values, calls int) {
			if _, ok := p["optimizer.lr"]; ok {
				p["optimizer.lr"] = 1e-3 + 1e-6*float64(calls)
			}
		}}, "determinism", "the same request"},
		"no seed": {samplerFlaws{fixed: true}, "determinism", "whatever seed"},
		"NaN in the history": {samplerFlaws{fail: func(req sdk.ProposeRequest) error {
			for _, t := range req.Trials {
				if math.IsNaN(t.Value) {
					return sdk.Errorf(sdk.CodeInternal, "a value is NaN")
				}
			}
			return nil
		}}, "history", "a value is NaN"},
		"no parameters in the history": {samplerFlaws{fail: func(req sdk.ProposeRequest) error {
			for _, t := range req.Trials {
				if len(t.Point) == 0 {
					return sdk.Errorf(sdk.CodeInternal, "a trial has no parameters")
				}
			}
			return nil
		}}, "history", "no parameters"},
		"stubborn":       {samplerFlaws{seeded: true}, "refused", "20 times"},
		"takes anything": {samplerFlaws{lax: true}, "refusals", "is not refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect(t, plugintest.CheckSampler(ctx, drawing(c.flaws), plugintest.Options{Only: []string{c.check}}), c.check, c.says)
		})
	}
}

// A sampler that remembers the space of another search is found.
func TestSampler_Remembers(t *testing.T) {
	size := 0
	flaws := samplerFlaws{change: func(req sdk.ProposeRequest, p sdk.Values, _ int) {
		if len(req.Dimensions) < 9 && len(req.Trials) > 0 {
			size = len(req.Dimensions)
		}
		if _, ok := p["optimizer.lr"]; ok {
			p["optimizer.lr"] = 1e-3 * float64(1+size)
		}
	}}
	expect(t, plugintest.CheckSampler(ctx, drawing(flaws), plugintest.Options{Only: []string{"searches"}}), "searches", "after other searches")
}

func TestSampler_Process(t *testing.T) {
	const always = 1 << 20
	for name, c := range map[string]struct {
		process     process
		check, says string // "" if it must pass
	}{
		"good":          {process{}, "", ""},
		"memory":        {process{usage: growing(plugintest.Usage{Memory: 1 << 19}, always)}, "resources", "memory"},
		"orphans":       {process{orphans: []string{"sleep 17"}}, "host", "sleep 17"},
		"another point": {process{sampler: drawing(samplerFlaws{fixed: true})}, "restart", "another process answers"},
	} {
		t.Run(name, func(t *testing.T) {
			results := plugintest.CheckSampler(ctx, drawing(samplerFlaws{}), plugintest.Options{Process: c.process, Only: []string{"restart", "resources", "host"}})
			if c.check != "" {
				expect(t, results, c.check, c.says)
			} else if plugintest.Failed(results) {
				t.Errorf("got %+v", results)
			}
		})
	}
}
