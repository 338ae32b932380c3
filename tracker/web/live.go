package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

const (
	// maxViewers bounds the streams that are open at once.
	maxViewers = 1000
	// heartbeat keeps proxies from closing a stream in which nothing happens.
	heartbeat   = 20 * time.Second
	reconnected = 2 * time.Second
)

// hub tells viewers that something in the tracker has changed. It says no more
// than that: a page that is told loads itself anew.
type hub struct {
	store *tracker.Store

	mu        sync.Mutex
	viewers   map[chan struct{}]bool
	changes   int64 // told so far
	listening bool
}

func newHub(store *tracker.Store) *hub {
	return &hub{store: store, viewers: map[chan struct{}]bool{}}
}

// join adds a viewer, or answers nil if there are too many. A change that comes
// while the last one is unread is the same news.
func (h *hub) join() chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.viewers) >= maxViewers {
		return nil
	}
	c := make(chan struct{}, 1)
	h.viewers[c] = true
	return c
}

func (h *hub) leave(c chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.viewers, c)
}

// version counts the changes, and says whether none is missed.
func (h *hub) version() (int64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changes, h.listening
}

func (h *hub) listens(yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listening = yes
}

func (h *hub) tell() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes++
	for c := range h.viewers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// watch listens until ctx ends, and connects again when the server was gone.
func (h *hub) watch(ctx context.Context, log *slog.Logger) {
	for ctx.Err() == nil {
		err := h.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		log.Warn("live updates: connection lost", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(reconnected):
		}
	}
}

// listen holds one connection for all viewers.
func (h *hub) listen(ctx context.Context) error {
	defer h.listens(false)
	return h.store.Follow(ctx, func() {
		h.tell()
		h.listens(true)
	})
}

// events is the stream of changes (server-sent events).
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	changed := s.live.join()
	if changed == nil {
		return refuse(http.StatusServiceUnavailable, "too many pages are open")
	}
	defer s.live.leave(changed)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	text := "retry: 3000\n: welcome\n\n"
	for {
		// A viewer who reads nothing for two heartbeats is gone.
		if err := out.SetWriteDeadline(time.Now().Add(2 * heartbeat)); err != nil {
			return err
		}
		if _, err := fmt.Fprint(w, text); err != nil || out.Flush() != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-changed:
			text = "event: change\ndata:\n\n"
		case <-beat.C:
			text = ": still here\n\n"
		}
	}
}
