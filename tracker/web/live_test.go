package web_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/deconfound/deconfound/tracker/web"
)

// serve starts the server on a port of its own and answers its address.
func (s *site) serve() string {
	s.Helper()
	l, err := new(net.ListenConfig).Listen(s.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(ctx, l) }()
	s.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// follow opens the stream of changes; next waits for one.
func (s *site) follow(at string) (next func() bool) {
	s.Helper()
	ctx, cancel := context.WithCancel(minute(s))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/events", nil)
	if err != nil {
		s.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { cancel(); answer.Body.Close() })
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		s.Fatal(answer.Status, kind)
	}
	lines := bufio.NewScanner(answer.Body)
	return func() bool {
		for lines.Scan() {
			if lines.Text() == "event: change" {
				return true
			}
		}
		return false
	}
}

// Every viewer hears of a change of a run's state.
func TestEvents(t *testing.T) {
	s := open(t, web.Config{})
	at := s.serve()
	runs := s.plan("first", "concat")
	var wait sync.WaitGroup
	for range 200 {
		next := s.follow(at)
		wait.Go(func() {
			// News may be of what was before; go on until the page has the end.
			for next() {
				if strings.Contains(text(s.get("/")), "1 of 6") {
					return
				}
			}
			t.Error("the stream ended before the news")
		})
	}
	s.finish(runs[0], 0.8)
	wait.Wait()
}

// A stream ends with its server, and the server with a stream that is open.
func TestServe_Ends(t *testing.T) {
	s := open(t, web.Config{})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(ctx, l) }()
	next := s.follow("http://" + l.Addr().String())
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for next() { // what was under way
	}
}
