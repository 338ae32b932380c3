package plugintest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// mostProblems is how many problems of one check are told.
const mostProblems = 8

// probe collects what one check finds. It is used by one goroutine.
type probe struct {
	problems []string
	more     int // problems not kept
	notes    []string
	skipped  string
	closers  []func()
}

// stop ends a check from inside; run recovers it.
type stop struct{}

// failf records a problem, once; the check goes on.
func (p *probe) failf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	switch {
	case slices.Contains(p.problems, text):
	case len(p.problems) == mostProblems:
		p.more++
	default:
		p.problems = append(p.problems, text)
	}
}

// fatalf records a problem and ends the check.
func (p *probe) fatalf(format string, args ...any) {
	p.failf(format, args...)
	panic(stop{})
}

// must ends the check if err is not nil; what was attempted is in the text.
func (p *probe) must(err error, format string, args ...any) {
	if err != nil {
		p.fatalf("%s: %s", fmt.Sprintf(format, args...), describe(err))
	}
}

// skipf ends a check that does not apply.
func (p *probe) skipf(format string, args ...any) {
	p.skipped = fmt.Sprintf(format, args...)
	panic(stop{})
}

// notef records what was measured.
func (p *probe) notef(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// cleanup runs f after the check, last added first.
func (p *probe) cleanup(f func()) { p.closers = append(p.closers, f) }

// describe is an error with its code.
func describe(err error) string { return fmt.Sprintf("%s (%s)", err, sdk.CodeOf(err)) }

// run runs one check. A panic of the suite itself, which an absurd answer may
// provoke, is a failure of the check.
func run(name string, check func(*probe)) Result {
	p := &probe{}
	func() {
		defer func() {
			if v := recover(); v != nil {
				if _, stopped := v.(stop); !stopped {
					p.failf("the check could not make sense of the answers: %v", v)
				}
			}
			for i := len(p.closers) - 1; i >= 0; i-- {
				p.closers[i]()
			}
		}()
		check(p)
	}()
	r := Result{Name: name, Status: Pass}
	lines := p.notes
	switch {
	case len(p.problems) > 0:
		r.Status, r.Message, r.Mend = Fail, p.problems[0], mend[name]
		lines = slices.Concat(p.problems[1:], p.notes)
		if p.more > 0 {
			lines = append(lines, fmt.Sprintf("and %d more problems", p.more))
		}
	case p.skipped != "":
		r.Status, r.Message = Skip, p.skipped
	}
	r.Detail = strings.Join(lines, "\n")
	return r
}
