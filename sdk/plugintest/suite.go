package plugintest

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

// usualTimeout bounds one call when the options do not.
const usualTimeout = time.Minute

// suite is what the checks of both kinds share.
type suite struct {
	ctx     context.Context
	options Options
	timeout time.Duration
	info    sdk.Info
	dir     string // for feature stores
	// unstable is set when sessions of one seed were found to differ; what would
	// only find that again is then left out.
	unstable bool
}

// check is one named check.
type check struct {
	name string
	run  func(*probe)
}

func newSuite(ctx context.Context, options Options) *suite {
	s := &suite{ctx: ctx, options: options, timeout: options.Timeout}
	if s.timeout <= 0 {
		s.timeout = usualTimeout
	}
	return s
}

// all runs the checks in order. Without a usable info no other check makes
// sense, so the first one always runs, and the others only if it passed.
func (s *suite) all(checks []check) []Result {
	dir, err := os.MkdirTemp("", "plugintest-")
	if err != nil {
		return []Result{{Name: checks[0].name, Status: Fail, Message: fmt.Sprintf("make a temporary directory: %v", err)}}
	}
	defer os.RemoveAll(dir)
	s.dir = dir
	var results []Result
	add := func(r Result) {
		results = append(results, r)
		if s.options.Report != nil {
			s.options.Report(r)
		}
	}
	var names []string
	for i, c := range checks {
		names = append(names, c.name)
		if i > 0 && len(s.options.Only) > 0 && !slices.Contains(s.options.Only, c.name) {
			continue
		}
		if s.ctx.Err() != nil {
			add(Result{Name: c.name, Status: Fail, Message: fmt.Sprintf("the suite was interrupted: %v", s.ctx.Err())})
			return results
		}
		r := run(c.name, c.run)
		add(r)
		if i == 0 && r.Status == Fail {
			return results
		}
	}
	for _, name := range s.options.Only {
		if !slices.Contains(names, name) {
			add(Result{Name: name, Status: Fail, Message: "there is no such check; there are " + strings.Join(names, ", ")})
		}
	}
	return results
}

// call runs one call of the plugin. As in a process of its own, a panic is an
// error with code panic, and a call that takes too long one with code deadline.
func (s *suite) call(what string, f func(context.Context) error) error {
	done := make(chan error, 1)
	ctx := s.ctx
	go func() {
		defer func() {
			if v := recover(); v != nil {
				fmt.Fprintf(os.Stderr, "panic: %v\n\n%s\n", v, debug.Stack())
				done <- sdk.Errorf(sdk.CodePanic, "%s panicked: %v", what, v)
			}
		}()
		done <- f(ctx)
	}()
	timer := time.NewTimer(s.timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return sdk.Errorf(sdk.CodeDeadline, "%s did not return within %v", what, s.timeout)
	case <-ctx.Done():
		return sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "%s", what)
	}
}

// exact reports whether sessions of one seed can be compared bit by bit.
func (s *suite) exact() bool { return s.info.Capabilities.Deterministic && !s.unstable }

// needExact ends a check that compares sessions bit by bit, if there is no point.
func (s *suite) needExact(p *probe) {
	switch {
	case !s.info.Capabilities.Deterministic:
		p.skipf("the capabilities do not promise determinism, so sessions cannot be compared")
	case s.unstable:
		p.skipf("sessions cannot be compared before the check determinism passes")
	}
}

// tasks are those the plugin takes, one of each kind.
func (s *suite) tasks() []sdk.Task {
	var out []sdk.Task
	for _, task := range []sdk.Task{{Kind: sdk.Binary}, {Kind: sdk.Multiclass, Classes: 3}, {Kind: sdk.Multilabel, Classes: 2}} {
		if s.info.Capabilities.Accepts(task, nil) == nil {
			out = append(out, task)
		}
	}
	return out
}

// values are the hyperparameters to use, with some set.
func (s *suite) values(set map[string]any) (sdk.Values, error) {
	values := map[string]any{}
	for _, source := range []map[string]any{s.options.Hyperparameters, set} {
		for name, v := range source {
			values[name] = v
		}
	}
	return s.info.Complete(values)
}

// describes checks an Info answer that does not change. The plugin's kind must
// be kind.
func (s *suite) describes(p *probe, kind sdk.Kind, info func(context.Context, sdk.InfoRequest, *sdk.InfoResponse) error) {
	ask := func() sdk.Info {
		var resp sdk.InfoResponse
		p.must(s.call("Info", func(ctx context.Context) error { return info(ctx, sdk.InfoRequest{}, &resp) }), "ask for Info")
		return resp.Info
	}
	s.info = ask()
	p.must(s.info.Validate(), "check Info")
	if s.info.Kind != kind {
		p.fatalf("Info says that the plugin is a %s, it serves a %s", s.info.Kind, kind)
	}
	if again := ask(); !sameInfo(again, s.info) {
		p.failf("Info answers something else when it is asked twice")
	}
	for _, k := range s.info.Capabilities.ModalityKinds {
		if k != sdk.Tabular && k != sdk.Sequence && k != sdk.Embedding {
			p.failf("capabilities name the unknown modality kind %q", k)
		}
	}
	if len(s.tasks()) == 0 {
		p.fatalf("capabilities name no known task kind: %v", s.info.Capabilities.Tasks)
	}
	_, err := s.values(nil)
	p.must(err, "complete the hyperparameters")
	p.notef("%s %s %s, %d hyperparameters", s.info.Kind, s.info.Name, s.info.Version, len(s.info.Hyperparameters))
}
