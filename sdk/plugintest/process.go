package plugintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// Process is what the suite can do to the process of a plugin, beyond the contract.
// "deconfound plugin check" has one; for a value of this process there is none, and
// the checks that need it are left out.
type Process interface {
	// Usage is what the process and its children use at this time.
	Usage() (Usage, error)
	// Backbone starts another process of a backbone; end ends it.
	Backbone(ctx context.Context) (plugin sdk.Backbone, end func(), err error)
	// Strategy is Backbone for a strategy.
	Strategy(ctx context.Context) (plugin sdk.Strategy, end func(), err error)
	// Sampler is Backbone for a sampler.
	Sampler(ctx context.Context) (plugin sdk.Sampler, end func(), err error)
	// Orphans has another host start the plugin, kills that host as the kernel would,
	// and names the processes that are left after a while.
	Orphans(ctx context.Context) ([]string, error)
}

// Usage is a process's use of resources.
type Usage struct {
	Memory  int64 // bytes, without files that are mapped
	Files   int   // open
	Threads int
}

const (
	// growthSteps and growthSessions are those of a window of the check resources.
	growthSteps    = 60
	growthSessions = 10
	// Growth in each of two windows beyond these is a leak: collectors and pools of
	// threads grow at first, not steadily.
	growthBytes = 2 << 20
	growthShare = 0.05
	growthCount = growthSessions / 2
)

var errNoProcess = errors.New(`needs the plugin as a process: run "deconfound plugin check"`)

// needProcess ends a check of a plugin that has no process of its own.
func (s *suite) needProcess(p *probe) Process {
	if s.options.Process == nil {
		p.skipf("%v", errNoProcess)
	}
	return s.options.Process
}

// checkHost kills the host of a plugin, which must not outlive it.
func (s *suite) checkHost(p *probe) {
	left, err := s.needProcess(p).Orphans(s.ctx)
	p.must(err, "kill a host of the plugin")
	if len(left) > 0 {
		p.failf("when its host is killed the plugin leaves processes behind: %s", strings.Join(left, ", "))
	}
}

// window is the least that a process used while it worked.
type window struct{ Usage }

func (w *window) see(u Usage, first bool) {
	if first {
		w.Usage = u
		return
	}
	w.Memory, w.Files, w.Threads = min(w.Memory, u.Memory), min(w.Files, u.Files), min(w.Threads, u.Threads)
}

// checkGrowth works three times the same number of steps and opens, uses and closes
// sessions beside them, and expects that what the process uses does not grow each
// time. step is one of a session that stays open, other all of a session's life.
func (s *suite) checkGrowth(p *probe, process Process, step, other func(step uint64)) {
	var windows []window
	for i := range 3 {
		var w window
		for n := range uint64(growthSteps) {
			step(uint64(i)*growthSteps + n)
			if n%(growthSteps/growthSessions) != 0 {
				continue
			}
			other(n)
			u, err := process.Usage()
			p.must(err, "ask what the process uses")
			w.see(u, n == 0)
		}
		windows = append(windows, w)
	}
	first, second, third := windows[0], windows[1], windows[2]
	grows := func(what string, least float64, of func(window) float64) {
		if of(second)-of(first) <= least || of(third)-of(second) <= least {
			return
		}
		p.failf("with every %d steps and %d sessions the process uses more %s: %.6g, %.6g, %.6g", growthSteps, growthSessions, what, of(first), of(second), of(third))
	}
	grows("memory (MiB)", max(growthBytes, growthShare*float64(first.Memory))/(1<<20), func(w window) float64 { return float64(w.Memory) / (1 << 20) })
	grows("open files", growthCount, func(w window) float64 { return float64(w.Files) })
	grows("threads", growthCount, func(w window) float64 { return float64(w.Threads) })
	p.notef("after %d steps and %d sessions: %d MiB, %d files, %d threads", 3*growthSteps, 3*growthSessions, third.Memory>>20, third.Files, third.Threads)
}

// giveUp is one call whose context ends, ahead of it or while it runs. Only the codes
// for that are expected of an error.
func (s *suite) giveUp(p *probe, what string, ahead bool, call func(context.Context) error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	if ahead {
		cancel()
	}
	err := s.call(what, func(context.Context) error {
		done := make(chan error, 1)
		go func() {
			defer func() {
				if v := recover(); v != nil {
					done <- sdk.Errorf(sdk.CodePanic, "%s panicked: %v", what, v)
				}
			}()
			done <- call(ctx)
		}()
		cancel()
		return <-done
	})
	if err != nil && !slices.Contains([]sdk.Code{sdk.CodeCanceled, sdk.CodeClosed}, sdk.CodeOf(err)) {
		p.failf("%s whose caller gives up fails with code %s, want canceled: %s", what, sdk.CodeOf(err), err)
	}
}

// checkResources trains, and expects that the process does not grow.
func (b *backbones) checkResources(p *probe) {
	process := b.needProcess(p)
	req := b.request(p)
	s := b.open(p, req)
	b.checkGrowth(p, process, func(step uint64) {
		p.must(s.step(step), "train")
	}, func(step uint64) {
		other := b.open(p, req)
		p.must(other.step(step), "train another session")
		p.must(other.close(), "close a session")
	})
}

// step is one training step.
func (s *backbone) step(step uint64) error {
	req := s.suite.batch(step, s.task)
	if _, err := s.forward(req); err != nil {
		return fmt.Errorf("forward of step %d: %w", step, err)
	}
	_, err := s.backward(gradientOfH(step, len(req.Rows), 0.25))
	return err
}

// checkRestart takes a session to another process, as a run that goes on elsewhere:
// trained there from the beginning it must be the same, and a snapshot must go on
// there with the same bits.
func (b *backbones) checkRestart(p *probe) {
	process := b.needProcess(p)
	b.needExact(p)
	req := b.request(p)
	here := b.open(p, req)
	first, err := here.train(1, 4)
	p.must(err, "train")
	on, err := here.train(4, 7)
	p.must(err, "train on")

	plugin, end, err := process.Backbone(b.ctx)
	p.must(err, "start another process")
	defer end()
	there := *b
	there.plugin = plugin
	again := there.open(p, req)
	other, err := again.train(1, 4)
	p.must(err, "train in another process")
	if d := other.difference(first); d != "" {
		p.failf("in another process the same seed gives other bits: %s", d)
	}
	moved := there.open(p, req)
	p.must(moved.restore(first.end), "Restore in another process")
	next, err := moved.train(4, 7)
	p.must(err, "train on in another process")
	if d := next.difference(on); d != "" {
		p.failf("a snapshot that is restored in another process goes on differently: %s", d)
	}
	_ = again.close()
	_ = moved.close()
}

// checkCancel has the host give up on a Forward before and while it runs. Neither the
// plugin nor another session may take harm.
func (b *backbones) checkCancel(p *probe) {
	req := b.request(p)
	beside := b.open(p, req)
	rows := b.mixed()
	_ = beside.h(p, b.eval(rows))
	_, err := b.open(p, req).train(1, 2)
	p.must(err, "train another session")
	want := beside.h(p, b.eval(rows))
	for _, ahead := range []bool{true, false} {
		s, err := b.tryOpen(req)
		if err != nil {
			p.fatalf("when the caller of another session gives up, no session can be opened: %s", describe(err))
		}
		batch := b.batch(1, s.task)
		b.giveUp(p, "Forward", ahead, func(ctx context.Context) error {
			return s.session.Forward(ctx, batch, &sdk.ForwardResponse{})
		})
		_ = s.close() // it need not be of use
	}
	got, err := beside.forward(b.eval(rows))
	if err != nil {
		p.failf("when the caller of one session gives up, another session is of no use: %s", describe(err))
	} else if b.exact() && !sameBits(got.H.Data, want) {
		p.failf("when the caller of one session gives up, another session answers another h")
	}
	fresh := b.open(p, req)
	_, err = fresh.train(1, 2)
	p.must(err, "train a fresh session")
}
