package plugintest

import (
	"context"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// malforming is a session that can send what no host sends: one with a process
// behind it.
type malforming interface{ Malformed() []transport.Malformed }

// malformed are the codes of a message that breaks the contract.
var malformed = []sdk.Code{sdk.CodeProtocol, sdk.CodeBadShape, sdk.CodeBadRequest, sdk.CodeUnsupported}

// ended are the codes of a session that was ended because of what is no message.
var ended = []sdk.Code{sdk.CodeProtocol, sdk.CodePluginCrash, sdk.CodeMessageTooLarge}

// sendMalformed sends everything malformed, each in a session of its own that open
// makes. Such a session must be closed afterwards, of use or not.
func (s *suite) sendMalformed(p *probe, open func() (session any, closed func() error)) {
	session, closed := open()
	first, ok := session.(malforming)
	if !ok {
		p.skipf("%v", errNoProcess)
	}
	all := first.Malformed()
	p.must(closed(), "close a session")
	slices.SortFunc(all, func(a, b transport.Malformed) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range all {
		session, closed := open()
		for _, one := range session.(malforming).Malformed() { //nolint:forcetypeassert // as the first
			if one.Name != m.Name {
				continue
			}
			codes := malformed
			if m.Ends {
				codes = ended
			}
			refused(p, m.Name, codes, s.call(m.Name, func(ctx context.Context) error { return one.Send(ctx) }))
		}
		if err := closed(); err != nil && !m.Ends && sdk.CodeOf(err) != sdk.CodeClosed {
			p.failf("after %s the session cannot be closed: %s", m.Name, describe(err))
		}
	}
	p.notef("%d messages and frames that no host sends", len(all))
}

// checkWire sends what breaks the contract beneath its requests. It must be refused,
// and another session must not notice.
func (b *backbones) checkWire(p *probe) {
	req := b.request(p)
	beside := b.open(p, req)
	rows := b.mixed()
	want := beside.h(p, b.eval(rows))
	b.sendMalformed(p, func() (any, func() error) {
		s := b.open(p, req)
		return s.session, s.close
	})
	got, err := beside.forward(b.eval(rows))
	if err != nil {
		p.failf("after malformed messages in other sessions a session is of no use: %s", describe(err))
	} else if b.exact() && !sameBits(got.H.Data, want) {
		p.failf("after malformed messages in other sessions a session answers another h")
	}
}

// checkWire is that of a backbone.
func (s *strategies) checkWire(p *probe) {
	req := s.request(p)
	reference, beside := s.open(p, req), s.open(p, req)
	want, err := reference.run(1, 3)
	p.must(err, "run two steps")
	s.sendMalformed(p, func() (any, func() error) {
		o := s.open(p, req)
		return o.session, o.close
	})
	got, err := beside.run(1, 3)
	if err != nil {
		p.failf("after malformed messages in other sessions a session is of no use: %s", describe(err))
	} else if s.exact() {
		if d := got.difference(want); d != "" {
			p.failf("after malformed messages in other sessions a session answers something else: %s", d)
		}
	}
}
