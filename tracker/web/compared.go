package web

import (
	"context"
	"slices"
	"sync"
)

const (
	// maxCompared bounds the comparisons that are held in memory.
	maxCompared = 32
	// maxAsked bounds those that wait to be made.
	maxAsked = 64
)

// comparisons are those that were made, and those that visitors wait for: one takes
// seconds to minutes, so a page never makes it.
type comparisons struct {
	mu    sync.Mutex
	made  []madeComparison // the newest last
	asked map[comparisonKey]bool
	queue chan askedComparison
}

// comparisonKey names a comparison of a sweep as it is.
type comparisonKey struct {
	sweep           int64
	metric, testSet string
	state           string // of all that it is made from
}

type askedComparison struct {
	key comparisonKey
	Question
}

type madeComparison struct {
	key comparisonKey
	Comparison
	problem string
}

// comparedAnswer is what a page can show at once.
type comparedAnswer struct {
	Comparison
	problem string
	waiting bool // a newer one is being made
}

func newComparisons() *comparisons {
	return &comparisons{asked: map[comparisonKey]bool{}, queue: make(chan askedComparison, maxAsked)}
}

func (c *comparisons) find(match func(comparisonKey) bool) (madeComparison, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Backward(c.made) {
		if match(m.key) {
			return m, true
		}
	}
	return madeComparison{}, false
}

func (c *comparisons) keep(m madeComparison) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, m.key)
	if len(c.made) == maxCompared {
		c.made = slices.Delete(c.made, 0, 1)
	}
	c.made = append(c.made, m)
}

// ask has a comparison made unless it is already waited for. Where too many are, who
// comes again asks again.
func (c *comparisons) ask(key comparisonKey, q Question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked[key] {
		return
	}
	select {
	case c.queue <- askedComparison{key, q}:
		c.asked[key] = true
	default:
	}
}

func (c *comparisons) forget(key comparisonKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.asked, key)
}

// compare answers at once: with the comparison if it was made since a run of the sweep
// last changed, or with an older one, or none, while it is made in the background.
func (s *Server) compare(ctx context.Context, q Question) (comparedAnswer, error) {
	state, err := s.config.Store.ComparisonState(ctx, q.Sweep.ID)
	if err != nil {
		return comparedAnswer{}, err
	}
	key := comparisonKey{q.Sweep.ID, q.Metric, q.TestSet, state}
	if m, ok := s.compared.find(func(k comparisonKey) bool { return k == key }); ok {
		return comparedAnswer{m.Comparison, m.problem, false}, nil
	}
	if s.config.Kept != nil {
		kept, ok, err := s.config.Kept(ctx, q)
		if err != nil {
			return comparedAnswer{}, err
		}
		if ok {
			s.compared.keep(madeComparison{key: key, Comparison: kept})
			return comparedAnswer{Comparison: kept}, nil
		}
	}
	s.compared.ask(key, q)
	older, _ := s.compared.find(func(k comparisonKey) bool {
		k.state = state
		return k == key
	})
	return comparedAnswer{older.Comparison, older.problem, true}, nil
}

// makeComparisons makes what is asked for, one after the other, until ctx ends.
func (s *Server) makeComparisons(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case asked := <-s.compared.queue:
			made, err := s.config.Compare(ctx, asked.Question)
			if ctx.Err() != nil {
				s.compared.forget(asked.key)
				return
			}
			m := madeComparison{key: asked.key, Comparison: made}
			if err != nil {
				s.log.Info("comparison failed", "sweep", asked.Sweep.Name, "error", err)
				m.problem = err.Error()
			}
			s.compared.keep(m)
			s.live.tell()
		}
	}
}
