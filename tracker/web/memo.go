package web

import "sync"

// memo keeps what was read since the tracker last changed, so that a page that many
// look at, or one over thousands of runs, is counted once. It keeps nothing while
// nobody listens for changes.
type memo struct {
	mu      sync.Mutex
	version int64
	made    map[string]*memory
	pages   map[string]*memory // whole pages, as they are sent
	lasting map[string]lasting // what outlives a change that it does not depend on
}

const (
	// maxKeys bounds what visitors can have kept by filters of their invention.
	maxKeys = 500
	// maxPages bounds the pages that are kept, of some hundred kilobytes each.
	maxPages = 64
	// maxLasting bounds what outlives changes.
	maxLasting = 100
)

// lasting is a value with what it was made from.
type lasting struct {
	state string
	value any
}

type memory struct {
	mu    sync.Mutex
	done  bool
	value any
}

// remember answers what is kept under key, or makes it; who comes meanwhile waits
// for it. What is answered is shared: it must not be changed.
func remember[T any](s *Server, key string, read func() (T, error)) (T, error) {
	return rememberIn(s, func(m *memo) (map[string]*memory, int) { return m.made, maxKeys }, key, read)
}

// rememberPage is remember for a page as it is sent.
func rememberPage(s *Server, key string, read func() ([]byte, error)) ([]byte, error) {
	return rememberIn(s, func(m *memo) (map[string]*memory, int) { return m.pages, maxPages }, key, read)
}

func rememberIn[T any](s *Server, of func(*memo) (map[string]*memory, int), key string, read func() (T, error)) (T, error) {
	version, listening := s.live.version()
	if !listening {
		return read()
	}
	m := &s.memo
	m.mu.Lock()
	if version > m.version || m.made == nil {
		m.version, m.made, m.pages = version, map[string]*memory{}, map[string]*memory{}
	}
	if version < m.version {
		m.mu.Unlock()
		return read()
	}
	made, most := of(m)
	kept := made[key]
	if kept == nil {
		if len(made) >= most {
			clear(made)
		}
		kept = &memory{}
		made[key] = kept
	}
	m.mu.Unlock()
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if value, ok := kept.value.(T); ok && kept.done {
		return value, nil
	}
	value, err := read()
	if err == nil {
		kept.value, kept.done = value, true
	}
	return value, err
}

// outlast is remember for what depends on nothing but state, a text: it is made anew
// when that has changed, not whenever anything has.
func outlast[T any](s *Server, key, state string, read func() (T, error)) (T, error) {
	return remember(s, key, func() (T, error) {
		m := &s.memo
		m.mu.Lock()
		kept, ok := m.lasting[key]
		m.mu.Unlock()
		if value, right := kept.value.(T); ok && right && kept.state == state {
			return value, nil
		}
		value, err := read()
		if err != nil {
			return value, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.lasting == nil || len(m.lasting) >= maxLasting {
			m.lasting = map[string]lasting{}
		}
		m.lasting[key] = lasting{state, value}
		return value, nil
	})
}
