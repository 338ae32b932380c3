package plugin

import (
	"sync"
	"time"
)

// deadlines are those of the calls a process works on, kept with one timer that is
// left to run when a call ends: to set one wakes a thread, and a call can be
// shorter than that takes. The zero value has none.
type deadlines struct {
	mu    sync.Mutex
	calls map[*deadline]struct{}
	timer *time.Timer
	next  time.Time // when timer fires; zero if it does not run
}

// deadline is when a call has lasted too long.
type deadline struct {
	at   time.Time
	late func()
}

// add calls late, once, unless the deadline is removed within timeout.
func (d *deadlines) add(timeout time.Duration, late func()) *deadline {
	c := &deadline{time.Now().Add(timeout), late}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls == nil {
		d.calls = map[*deadline]struct{}{}
	}
	d.calls[c] = struct{}{}
	d.expectBy(c.at)
	return c
}

func (d *deadlines) remove(c *deadline) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.calls, c)
}

// expectBy has the timer fire no later than at. d.mu is held.
func (d *deadlines) expectBy(at time.Time) {
	switch {
	case !d.next.IsZero() && !at.Before(d.next):
		return
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(at), d.check)
	default:
		d.timer.Reset(time.Until(at))
	}
	d.next = at
}

// check ends the calls whose time is over and waits for the others.
func (d *deadlines) check() {
	d.mu.Lock()
	d.next = time.Time{}
	var late []*deadline
	now := time.Now()
	for c := range d.calls {
		if c.at.After(now) {
			d.expectBy(c.at)
			continue
		}
		delete(d.calls, c)
		late = append(late, c)
	}
	d.mu.Unlock()
	for _, c := range late {
		c.late()
	}
}
