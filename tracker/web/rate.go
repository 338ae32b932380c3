package web

import (
	"sync"
	"time"
)

// rate lets a burst of things happen at once, and after that one an interval.
type rate struct {
	mu       sync.Mutex
	burst    float64
	interval time.Duration
	left     float64
	last     time.Time
}

func newRate(burst int, interval time.Duration) *rate {
	return &rate{burst: float64(burst), interval: interval, left: float64(burst)}
}

func (r *rate) allow(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since := now.Sub(r.last); !r.last.IsZero() && since > 0 {
		r.left = min(r.burst, r.left+float64(since)/float64(r.interval))
	}
	r.last = now
	if r.left < 1 {
		return false
	}
	r.left--
	return true
}
