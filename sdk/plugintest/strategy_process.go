package plugintest

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
)

// checkRestart takes a session to another process, as that of a backbone.
func (s *strategies) checkRestart(p *probe) {
	process := s.needProcess(p)
	s.needExact(p)
	req := s.request(p)
	here := s.open(p, req)
	first, err := here.run(1, 4)
	p.must(err, "run three steps")
	on, err := here.run(4, 7)
	p.must(err, "run on")

	plugin, end, err := process.Strategy(s.ctx)
	p.must(err, "start another process")
	defer end()
	there := *s
	there.plugin = plugin
	again := there.open(p, req)
	other, err := again.run(1, 4)
	p.must(err, "run in another process")
	if d := other.difference(first); d != "" {
		p.failf("in another process the same seed gives other bits: %s", d)
	}
	moved := there.open(p, req)
	p.must(moved.restore(first.end), "Restore in another process")
	next, err := moved.run(4, 7)
	p.must(err, "run on in another process")
	if d := next.difference(on); d != "" {
		p.failf("a snapshot that is restored in another process goes on differently: %s", d)
	}
	_ = again.close()
	_ = moved.close()
}

// checkResources runs steps, and expects that the process does not grow.
func (s *strategies) checkResources(p *probe) {
	process := s.needProcess(p)
	req := s.request(p)
	o := s.open(p, req)
	s.checkGrowth(p, process, func(step uint64) {
		_, err := o.step(step)
		p.must(err, "run a step")
	}, func(step uint64) {
		other := s.open(p, req)
		_, err := other.step(step)
		p.must(err, "run a step of another session")
		p.must(other.close(), "close a session")
	})
}

// checkCancel has the host give up on an Objective before and while it runs. Neither
// the plugin nor another session may take harm.
func (s *strategies) checkCancel(p *probe) {
	req := s.request(p)
	reference := s.open(p, req)
	want, err := reference.run(1, 4)
	p.must(err, "run three steps")
	beside := s.open(p, req)
	first, err := beside.step(1)
	p.must(err, "run a step")
	for _, ahead := range []bool{true, false} {
		o, err := s.tryOpen(req)
		if err != nil {
			p.fatalf("when the caller of another session gives up, no session can be opened: %s", describe(err))
		}
		request := s.objectiveRequest(1, o.task)
		s.giveUp(p, "Objective", ahead, func(ctx context.Context) error {
			return o.session.Objective(ctx, request, &sdk.ObjectiveResponse{})
		})
		_ = o.close() // it need not be of use
	}
	got, err := beside.run(2, 4)
	if err != nil {
		p.failf("when the caller of one session gives up, another session is of no use: %s", describe(err))
	} else if got.steps = append([]answers{first}, got.steps...); s.exact() {
		if d := got.difference(want); d != "" {
			p.failf("when the caller of one session gives up, another session answers something else: %s", d)
		}
	}
	fresh := s.open(p, req)
	_, err = fresh.run(1, 2)
	p.must(err, "run a step of a fresh session")
}
