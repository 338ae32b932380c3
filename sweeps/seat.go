package sweeps

import (
	"context"
	"sync"
	"time"
)

// Patience of a job without a seat, before it goes back to the queue where an
// idle worker may take it.
const seatPatience = 2 * time.Second

// seats bounds the slices that train at the same time in a process. What comes
// before and after training, a claim and the writing of results, needs no seat:
// another run uses the core meanwhile.
type seats struct {
	// room answers whether another slice may start beside those that train; nil
	// always does. It is not asked for the first one, which must not wait for ever.
	room func(training int) bool

	mu    sync.Mutex
	limit int
	taken int
	has   demand // 0 is not known, and enough for all
	used  demand
	freed chan struct{} // closed when a seat is given back
}

// demand is what a run takes of a worker beside its seat.
type demand struct {
	cores  int
	memory int64 // bytes
}

// fits reports whether d can be had beside used.
func (d demand) fits(used, has demand) bool {
	return (has.cores == 0 || used.cores+d.cores <= has.cores) && (has.memory == 0 || used.memory+d.memory <= has.memory)
}

func newSeats(limit int, has demand, room func(int) bool) *seats {
	return &seats{room: room, limit: limit, has: has, freed: make(chan struct{})}
}

// take waits for a seat; false if there is none for seatPatience, or until ctx or
// stop ends. The seat belongs to the caller until it calls give, which may be
// called more than once.
func (s *seats) take(ctx context.Context, stop <-chan struct{}, d demand) (give func(), ok bool) {
	patience := time.NewTimer(seatPatience)
	defer patience.Stop()
	for {
		s.mu.Lock()
		if s.taken == 0 || s.taken < s.limit && d.fits(s.used, s.has) && (s.room == nil || s.room(s.taken)) {
			s.taken++
			s.used.cores += d.cores
			s.used.memory += d.memory
			s.mu.Unlock()
			return sync.OnceFunc(func() { s.give(d) }), true
		}
		freed := s.freed
		s.mu.Unlock()
		select {
		case <-freed:
		case <-patience.C:
			return nil, false
		case <-ctx.Done():
			return nil, false
		case <-stop:
			return nil, false
		}
	}
}

func (s *seats) give(d demand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	s.used.cores -= d.cores
	s.used.memory -= d.memory
	close(s.freed)
	s.freed = make(chan struct{})
}
