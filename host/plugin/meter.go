package plugin

import (
	"os"
	"slices"
	"sync"
	"time"
)

// Usage is what a run costs in memory, in bytes: anonymous resident memory, without
// the feature store, which is mapped once for all.
type Usage struct {
	Host    int64 // its share of this process
	Plugins int64 // its share of the processes of its plugins
}

// Sum is the memory of the run.
func (u Usage) Sum() int64 { return u.Host + u.Plugins }

// Meter measures what the runs of this process cost. What is used at a time is
// divided evenly among the runs that use it at that time: this process among all,
// a plugin among those that have it. It looks five times a second while there are
// runs, and at the end of each. Where the system does not tell, all is 0.
type Meter struct {
	pool *Pool

	mu       sync.Mutex
	open     []*Metered
	sampling bool
	costly   int64 // the greatest peak of a run
}

// NewMeter returns a meter of the runs that open sessions from pool.
func NewMeter(pool *Pool) *Meter { return &Meter{pool: pool} }

// Metered is a run being measured.
type Metered struct {
	meter   *Meter
	plugins []Entry
	peak    Usage
}

// Begin measures a run with the given plugins until its End.
func (m *Meter) Begin(plugins ...Entry) *Metered {
	m.mu.Lock()
	defer m.mu.Unlock()
	run := &Metered{meter: m, plugins: plugins}
	m.open = append(m.open, run)
	if !m.sampling {
		m.sampling = true
		go m.follow()
	}
	return run
}

// End ends the run and answers its usage when that was greatest.
func (r *Metered) End() Usage {
	m := r.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.open, r); i >= 0 {
		m.sample()
		m.open = slices.Delete(m.open, i, i+1)
	}
	return r.peak
}

// Room reports whether a run as costly as the costliest so far may begin beside
// those that are open, without the whole going beyond limit bytes; 0 is no limit.
func (m *Meter) Room(limit int64) bool {
	if limit <= 0 {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	total := m.sample()
	for _, r := range m.open {
		// One that has just begun will still grow.
		total += max(0, m.costly-r.peak.Sum())
	}
	return total+m.costly <= limit
}

// follow samples until no run is open.
func (m *Meter) follow() {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for range ticker.C {
		m.mu.Lock()
		if len(m.open) == 0 {
			m.sampling = false
			m.mu.Unlock()
			return
		}
		m.sample()
		m.mu.Unlock()
	}
}

// sample updates the peaks of the open runs and answers what all use together.
func (m *Meter) sample() (total int64) {
	host, err := ownMemory(os.Getpid())
	if err != nil {
		return 0
	}
	users := map[string]int64{}
	for _, r := range m.open {
		for _, e := range r.plugins {
			users[e.key()]++
		}
	}
	memory := m.pool.memory()
	total = host
	for _, used := range memory {
		total += used
	}
	for _, r := range m.open {
		now := Usage{Host: host / int64(len(m.open))}
		for _, e := range r.plugins {
			now.Plugins += memory[e.key()] / users[e.key()]
		}
		if now.Sum() > r.peak.Sum() {
			r.peak = now
		}
		m.costly = max(m.costly, now.Sum())
	}
	return total
}
