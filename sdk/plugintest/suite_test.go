package plugintest

import (
	"context"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

func TestSuite_Call(t *testing.T) {
	s := newSuite(context.Background(), Options{Timeout: time.Millisecond})
	never := make(chan struct{})
	defer close(never)
	hang := func(context.Context) error { <-never; return nil }
	if got := sdk.CodeOf(s.call("Forward", hang)); got != sdk.CodeDeadline {
		t.Errorf("a call that does not return: code %s, want %s", got, sdk.CodeDeadline)
	}
	s.timeout = usualTimeout
	if got := sdk.CodeOf(s.call("Forward", func(context.Context) error { panic("no") })); got != sdk.CodePanic {
		t.Errorf("a call that panics: code %s, want %s", got, sdk.CodePanic)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.ctx = ctx
	if got := sdk.CodeOf(s.call("Forward", hang)); got != sdk.CodeCanceled {
		t.Errorf("a call that is interrupted: code %s, want %s", got, sdk.CodeCanceled)
	}
}

func TestRun(t *testing.T) {
	closed := false
	for _, c := range []struct {
		check func(*probe)
		want  Result
	}{
		{func(*probe) {}, Result{Status: Pass}},
		{func(p *probe) { p.notef("seen %d", 1) }, Result{Status: Pass, Detail: "seen 1"}},
		{func(p *probe) { p.skipf("not for %s", "you") }, Result{Status: Skip, Message: "not for you"}},
		{func(p *probe) { p.cleanup(func() { closed = true }); p.fatalf("a"); p.failf("b") }, Result{Status: Fail, Message: "a"}},
		{func(p *probe) { p.failf("a"); p.failf("b"); p.notef("c") }, Result{Status: Fail, Message: "a", Detail: "b\nc"}},
		{func(*probe) { _ = []int{}[len("x")] }, Result{Status: Fail, Message: "the check could not make sense of the answers: runtime error: index out of range [1] with length 0"}},
	} {
		c.want.Name = "x"
		if got := run("x", c.check); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
	if !closed {
		t.Error("a check that stopped did not clean up")
	}
}

func TestSuite_Only(t *testing.T) {
	s := newSuite(context.Background(), Options{Only: []string{"c"}})
	var ran []string
	note := func(name string) check { return check{name, func(*probe) { ran = append(ran, name) }} }
	s.all([]check{note("info"), note("b"), note("c")})
	if want := []string{"info", "c"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	s.options.Only = []string{"c", "d"}
	results := s.all([]check{note("info"), note("b"), note("c")})
	if last := results[len(results)-1]; last.Name != "d" || last.Status != Fail || last.Message != "there is no such check; there are info, b, c" {
		t.Errorf("an unknown check: %+v", last)
	}
	results = s.all([]check{{"info", func(p *probe) { p.failf("no") }}, note("c")})
	if len(results) != 1 || !Failed(results) {
		t.Errorf("after a failure of the first check: %v", results)
	}
}

// The data must cover what the checks rely on.
func TestTable(t *testing.T) {
	for _, kinds := range [][]sdk.ModalityKind{nil, {sdk.Tabular}, {sdk.Sequence}, {sdk.Embedding}, {sdk.Tabular, sdk.Embedding}} {
		table := newTable(sdk.Capabilities{ModalityKinds: kinds})
		if n := len(table.modalities); n < 3 {
			t.Errorf("%v: %d modalities", kinds, n)
		}
		patterns := slices.Clone(table.availability)
		slices.Sort(patterns)
		patterns = slices.Compact(patterns)
		singles := 0
		for _, p := range patterns {
			if bits.OnesCount64(p) == 1 {
				singles++
			}
		}
		if singles != len(table.modalities) || patterns[0] != 0 || patterns[len(patterns)-1] != 1<<len(table.modalities)-1 {
			t.Errorf("%v: patterns %b", kinds, patterns)
		}
		missing := slices.ContainsFunc(table.values[0], func(v float32) bool { return v != v })
		if table.modalities[0].Kind == sdk.Tabular && !missing {
			t.Errorf("%v: no cell is missing", kinds)
		}
		if err := table.write(t.TempDir() + "/store"); err != nil {
			t.Errorf("%v: %v", kinds, err)
		}
	}
}

// Every check says how to mend what it finds.
func TestMend(t *testing.T) {
	b := &backbones{suite: newSuite(context.Background(), Options{})}
	names := map[string]bool{}
	for _, c := range slices.Concat(b.checks(), (&strategies{suite: b.suite}).checks(), (&samplers{suite: b.suite}).checks()) {
		names[c.name] = true
		if mend[c.name] == "" {
			t.Errorf("check %s does not", c.name)
		}
	}
	for name := range mend {
		if !names[name] {
			t.Errorf("there is no check %s", name)
		}
	}
}
