package web

import "sync"

// memo keeps what was read since the tracker last changed, so that a page that many
// look at, or one over thousands of runs, is counted once. It keeps nothing while
// nobody listens for changes.
type memo struct {
	mu      sync.Mutex
	version int64
	made    map[string]*memory
}

// maxKeys bounds what visitors can have kept by filters of their invention.
const maxKeys = 500

type memory struct {
	mu    sync.Mutex
	done  bool
	value any
}

// remember answers what is kept under key, or makes it; who comes meanwhile waits
// for it. What is answered is shared: it must not be changed.
func remember[T any](s *Server, key string, read func() (T, error)) (T, error) {
	version, listening := s.live.version()
	if !listening {
		return read()
	}
	m := &s.memo
	m.mu.Lock()
	if version > m.version || m.made == nil || len(m.made) >= maxKeys {
		m.version, m.made = version, map[string]*memory{}
	}
	if version < m.version {
		m.mu.Unlock()
		return read()
	}
	kept := m.made[key]
	if kept == nil {
		kept = &memory{}
		m.made[key] = kept
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
