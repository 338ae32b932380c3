package plugintest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// samplers is the suite for one sampler.
type samplers struct {
	*suite
	plugin sdk.Sampler
}

// samplerTrials are the trials of a long history.
const samplerTrials = 40

// CheckSampler runs the suite on a sampler: a value of this process or one that stands
// for another process. It answers one result a check.
func CheckSampler(ctx context.Context, plugin sdk.Sampler, options Options) []Result {
	s := &samplers{suite: newSuite(ctx, options), plugin: plugin}
	return s.all(s.checks())
}

func (s *samplers) checks() []check {
	return []check{
		{"info", func(p *probe) { s.describes(p, sdk.KindSampler, s.plugin.Info) }},
		{"hyperparameters", s.checkHyperparameters},
		{"proposals", s.checkProposals},
		{"determinism", s.checkDeterminism},
		{"history", s.checkHistory},
		{"refused", s.checkRefused},
		{"searches", s.checkSearches},
		{"refusals", s.checkRefusals},
		{"cancel", s.checkCancel},
		{"restart", s.checkRestart},
		{"resources", s.checkResources},
		{"host", s.checkHost},
	}
}

// every has a dimension of every kind and type.
func every() []sdk.Dimension {
	return []sdk.Dimension{
		{Name: "backbone.depth", Kind: sdk.IntUniform, Min: 1, Max: 8, Step: 1},
		{Name: "backbone.kind", Kind: sdk.Choice, Values: []any{"a", "b", "c"}},
		{Name: "backbone.residual", Kind: sdk.Choice, Values: []any{true, false}},
		{Name: "head.dropout", Kind: sdk.Uniform, Min: 0, Max: 0.5, Step: 0.1, Conditional: true},
		{Name: "optimizer.lr", Kind: sdk.LogUniform, Min: 1e-5, Max: 1e-1},
		{Name: "optimizer.momentum", Kind: sdk.Uniform, Min: -1, Max: 0.999, Conditional: true},
		{Name: "run.batch_size", Kind: sdk.Choice, Values: []any{int64(32), int64(64), int64(128)}},
		{Name: "run.width", Kind: sdk.IntUniform, Min: 8, Max: 60, Step: 16},
		{Name: "strategy.clip", Kind: sdk.Choice, Values: []any{0.5, 1.0, 2.0}},
	}
}

// request asks for the trial after n others, which were drawn at random.
func (s *samplers) request(p *probe, dimensions []sdk.Dimension, n int) sdk.ProposeRequest {
	values, err := s.values(nil)
	p.must(err, "complete the hyperparameters")
	req := sdk.ProposeRequest{Hyperparameters: values, Dimensions: dimensions, Maximize: true, Epochs: 9, Number: n, Seed: 5}
	for i := range n {
		t := sdk.Trial{Number: i, State: sdk.TrialDone, Point: drawn(dimensions, i), Epoch: 9}
		t.Value = float64(i%7)/10 + 0.1
		req.Trials = append(req.Trials, t)
	}
	return req
}

// drawn is a point of trial i; every other one lacks the conditional parameters.
func drawn(dimensions []sdk.Dimension, i int) sdk.Values {
	r := rng.Stream(uint64(i), "point")
	out := sdk.Values{}
	for _, d := range dimensions {
		var v any
		steps := 1.0
		if d.Step > 0 {
			steps = math.Floor((d.Max-d.Min)/d.Step + 1e-9)
		}
		switch u := r.Float64(); {
		case d.Kind == sdk.Choice:
			v = d.Values[int(u*float64(len(d.Values)))]
		case d.Kind == sdk.LogUniform:
			v = d.Min * math.Pow(d.Max/d.Min, u)
		case d.Step > 0:
			v = d.Min + d.Step*math.Floor(u*(steps+1))
		default:
			v = d.Min + u*(d.Max-d.Min)
		}
		if d.Conditional && i%2 == 1 {
			continue
		}
		if f, ok := v.(float64); ok && d.Kind == sdk.IntUniform {
			v = int64(f)
		}
		out[d.Name] = v
	}
	return out
}

func (s *samplers) ask(req sdk.ProposeRequest) (sdk.Values, error) {
	return s.askOf(s.plugin, req)
}

func (s *samplers) askOf(plugin sdk.Sampler, req sdk.ProposeRequest) (sdk.Values, error) {
	var resp sdk.ProposeResponse
	err := s.call("Propose", func(ctx context.Context) error { return plugin.Propose(ctx, req, &resp) })
	return resp.Point, err
}

// good asks and wants a point of the space.
func (s *samplers) good(p *probe, what string, req sdk.ProposeRequest) sdk.Values {
	point, err := s.ask(req)
	if err != nil {
		p.failf("%s: %s", what, describe(err))
		return nil
	}
	checked, err := req.CheckPoint(point)
	if err != nil {
		p.failf("%s: %s", what, describe(err))
	}
	return checked
}

// checkHyperparameters asks at every bound and choice.
func (s *samplers) checkHyperparameters(p *probe) {
	n := 0
	for _, h := range s.info.Hyperparameters {
		for _, set := range extremes(h) {
			values, err := s.values(map[string]any{set.name: set.value})
			p.must(err, "set %s", set)
			req := s.request(p, every(), 12)
			req.Hyperparameters = values
			s.good(p, fmt.Sprintf("with %s", set), req)
			n++
		}
	}
	p.notef("%d settings", n)
}

// checkProposals asks for spaces of one dimension each, of all and of none.
func (s *samplers) checkProposals(p *probe) {
	spaces := map[string][]sdk.Dimension{"a space of all kinds": every(), "a space without dimensions": nil}
	for _, d := range every() {
		spaces["a space of "+d.Name+" alone"] = []sdk.Dimension{d}
	}
	spaces["a choice of one value"] = []sdk.Dimension{{Name: "head.hidden", Kind: sdk.Choice, Values: []any{int64(16)}}}
	for _, what := range slices.Sorted(maps.Keys(spaces)) {
		for _, n := range []int{0, 1, samplerTrials} {
			for _, maximize := range []bool{true, false} {
				req := s.request(p, spaces[what], n)
				req.Maximize = maximize
				s.good(p, fmt.Sprintf("in %s, after %d trials", what, n), req)
			}
		}
	}
}

// same reports whether points are equal.
func same(a, b sdk.Values) bool { return reflect.DeepEqual(a, b) }

func (s *samplers) checkDeterminism(p *probe) {
	for _, n := range []int{0, 3, samplerTrials} {
		req := s.request(p, every(), n)
		first := s.good(p, "ask", req)
		if again := s.good(p, "ask again", req); !same(first, again) {
			p.failf("the same request after %d trials is answered by %v and then by %v", n, first, again)
			s.unstable = true
		}
	}
	req := s.request(p, every(), 0)
	first, others := s.good(p, "ask", req), 0
	for i := range 8 {
		req.Seed, req.Number = uint64(100+i), 0
		if !same(first, s.good(p, "ask with another seed", req)) {
			others++
		}
		req.Seed, req.Number = 5, i+1
		if !same(first, s.good(p, "ask for another trial", req)) {
			others++
		}
	}
	if others == 0 {
		p.failf("whatever seed and number of the trial are, the first point is %v", first)
	}
}

func (s *samplers) checkHistory(p *probe) {
	changes := map[string]func(t *sdk.Trial){
		"pending":                    func(t *sdk.Trial) { t.State, t.Epoch, t.Value = sdk.TrialPending, 0, math.NaN() },
		"pruned":                     func(t *sdk.Trial) { t.State, t.Epoch = sdk.TrialPruned, 3 },
		"failed":                     func(t *sdk.Trial) { t.State, t.Epoch, t.Value = sdk.TrialFailed, 0, math.NaN() },
		"pruned with the value NaN":  func(t *sdk.Trial) { t.State, t.Epoch, t.Value = sdk.TrialPruned, 3, math.NaN() },
		"pending with a value":       func(t *sdk.Trial) { t.State, t.Epoch = sdk.TrialPending, 3 },
		"done with one equal value":  func(t *sdk.Trial) { t.Value = 0.5 },
		"done with a huge value":     func(t *sdk.Trial) { t.Value *= 1e300 },
		"done with the value NaN":    func(t *sdk.Trial) { t.Value = math.NaN() },
		"done with the same point":   func(t *sdk.Trial) { t.Point = drawn(every(), 0) },
		"done without any parameter": func(t *sdk.Trial) { t.Point = sdk.Values{} },
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		for _, n := range []int{1, 2, samplerTrials} {
			for _, share := range []int{1, 2} { // all of them, every other one
				req := s.request(p, every(), n)
				for i := 0; i < n; i += share {
					changes[name](&req.Trials[i])
				}
				s.good(p, fmt.Sprintf("with %d trials, of them each %d. %s", n, share, name), req)
			}
		}
	}
}

func (s *samplers) checkRefused(p *probe) {
	req := s.request(p, every(), samplerTrials)
	first := s.good(p, "ask", req)
	for range 20 {
		req.Refused = append(req.Refused, s.good(p, "ask after a refusal", req))
	}
	others := slices.ContainsFunc(req.Refused, func(v sdk.Values) bool { return !same(v, first) })
	if !others {
		p.failf("a point that was refused is proposed again, 20 times: %v", first)
	}
	req.Refused = req.Refused[:3]
	if a, b := s.good(p, "ask", req), s.good(p, "ask", req); !same(a, b) {
		p.failf("the same request with 3 refused points is answered by %v and then by %v", a, b)
	}
}

func (s *samplers) checkSearches(p *probe) {
	s.needStable(p)
	req := s.request(p, every(), samplerTrials)
	want := s.good(p, "ask", req)
	for n := range 6 {
		other := s.request(p, every()[n:], n)
		other.Seed, other.Maximize = uint64(n), false
		s.good(p, "ask for another search", other)
	}
	if got := s.good(p, "ask", req); !same(got, want) {
		p.failf("after other searches the same request is answered by %v, before by %v", got, want)
	}
}

// needStable ends a check that compares points, if there is no point.
func (s *samplers) needStable(p *probe) {
	if s.unstable {
		p.skipf("points cannot be compared before the check determinism passes")
	}
}

// checkRefusals asks what cannot be answered and expects an error, and then a good
// request an answer.
func (s *samplers) checkRefusals(p *probe) {
	changes := map[string]func(*sdk.ProposeRequest){
		"an unknown kind of dimension": func(r *sdk.ProposeRequest) { r.Dimensions[0].Kind = "cauchy" },
		"a choice of nothing":          func(r *sdk.ProposeRequest) { r.Dimensions[1].Values = nil },
		"an unknown hyperparameter":    func(r *sdk.ProposeRequest) { r.Hyperparameters["no_such_setting"] = 1.0 },
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		req := s.request(p, every(), 2)
		changes[name](&req)
		if _, err := s.ask(req); err == nil {
			p.failf("%s is not refused", name)
		} else if code := sdk.CodeOf(err); code == sdk.CodePluginCrash || code == sdk.CodeDeadline || code == sdk.CodePanic {
			p.failf("%s is not refused but ends with %s", name, describe(err))
		}
		s.good(p, "a good request after "+name, s.request(p, every(), 2))
	}
}

func (s *samplers) checkCancel(p *probe) {
	req := s.request(p, every(), samplerTrials)
	for _, ahead := range []bool{true, false} {
		s.giveUp(p, "Propose", ahead, func(ctx context.Context) error {
			return s.plugin.Propose(ctx, req, &sdk.ProposeResponse{})
		})
		s.good(p, "ask after a call that was given up", req)
	}
}

// checkRestart asks another process, as a search that goes on elsewhere.
func (s *samplers) checkRestart(p *probe) {
	process := s.needProcess(p)
	s.needStable(p)
	plugin, end, err := process.Sampler(s.ctx)
	p.must(err, "start another process")
	defer end()
	for _, n := range []int{0, 1, samplerTrials} {
		req := s.request(p, every(), n)
		want := s.good(p, "ask", req)
		got, err := s.askOf(plugin, req)
		p.must(err, "ask another process")
		if got, err = req.CheckPoint(got); err != nil || !same(got, want) {
			p.failf("another process answers the same request by %v, this one by %v", got, want)
		}
	}
}

func (s *samplers) checkResources(p *probe) {
	process := s.needProcess(p)
	s.checkGrowth(p, process, func(step uint64) {
		req := s.request(p, every(), 10)
		req.Number = int(step)
		s.good(p, "ask", req)
	}, func(uint64) {})
}
