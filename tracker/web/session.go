package web

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	sessionCookie = "deconfound_session"
	sessionLife   = 12 * time.Hour
	maxSessions   = 1000
)

// sessions are the visitors who showed the token. They end with the process.
type sessions struct {
	mu   sync.Mutex
	ends map[string]time.Time
}

func (s *sessions) begin(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends == nil {
		s.ends = map[string]time.Time{}
	}
	for id, end := range s.ends {
		if now.After(end) || len(s.ends) >= maxSessions {
			delete(s.ends, id)
		}
	}
	id := rand.Text()
	s.ends[id] = now.Add(sessionLife)
	return id
}

func (s *sessions) valid(id string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.ends[id]
	return ok && now.Before(end)
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ends, id)
}

// admitted says whether the request is of somebody who knows the token: by a
// session, or in the header that programs send.
func (s *Server) admitted(r *http.Request) bool {
	if s.config.Token == "" {
		return true
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	ok = ok && same(bearer, s.config.Token)
	if s.config.UserHeader != "" {
		user := r.Header.Values(s.config.UserHeader)
		return ok && len(user) == 1 && strings.TrimSpace(user[0]) != ""
	}
	if c, err := r.Cookie(sessionCookie); err == nil && s.sessions.valid(c.Value, time.Now()) {
		return true
	}
	return ok
}

type loginPage struct {
	To string
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, "login", "Log in", loginPage{To: local(r.URL.Query().Get("to"))})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	if !s.logins.allow(time.Now()) {
		return refuse(http.StatusTooManyRequests, "too many attempts: wait a minute")
	}
	if s.config.Token == "" || s.config.UserHeader != "" || !same(strings.TrimSpace(r.PostForm.Get("token")), s.config.Token) {
		return refuse(http.StatusUnauthorized, "that is not the token")
	}
	http.SetCookie(w, s.cookie(s.sessions.begin(time.Now()), int(sessionLife.Seconds())))
	http.Redirect(w, r, local(r.PostForm.Get("to")), http.StatusSeeOther)
	return nil
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(sessionCookie); err == nil {
		s.sessions.end(c.Value)
	}
	http.SetCookie(w, s.cookie("", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

func (s *Server) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.config.Secure, SameSite: http.SameSiteStrictMode,
	}
}

// local keeps a place on this server and turns everything else into the first page.
func local(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") {
		return "/"
	}
	return to
}

func escapeQuery(s string) string { return url.QueryEscape(s) }
