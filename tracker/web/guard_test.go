package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/tracker/web"
)

func escape(s string) string { return url.QueryEscape(s) }

const token = "a token of some length"

func TestGuard_Host(t *testing.T) {
	s := open(t, web.Config{Hosts: []string{"Lab.example"}})
	for host, want := range map[string]int{
		"127.0.0.1:8600": 200, "localhost:1": 200, "localhost": 200, "[::1]:8600": 200, "[::1]": 200, "10.0.0.7": 200, "lab.example:443": 200, "LAB.EXAMPLE.": 200,
		"evil.example": 421, "127.0.0.1.evil.example:8600": 421, "localhost.evil.example": 421, "evil.lab.example": 421, "": 421, "@localhost": 421, "127.0.0.1@evil.example": 421,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = host
		if answer, _ := s.do(r); answer.StatusCode != want {
			t.Errorf("Host %q: %s, want %d", host, answer.Status, want)
		}
	}
}

func TestGuard_Headers(t *testing.T) {
	s := open(t, web.Config{})
	for _, path := range []string{"/", "/sql", "/nowhere", "/static/page.js"} {
		answer, _ := s.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		csp := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: types are sniffed", path)
		}
	}
}

// Nothing that a page names is elsewhere, and nothing runs or styles from within it.
func TestPages_LoadNothingElse(t *testing.T) {
	s := open(t, web.Config{})
	for _, path := range []string{"/", "/sql", "/login", "/static/page.js", "/static/theme.js", "/static/style.css"} {
		body := strings.ReplaceAll(s.get(path), "http://www.w3.org/2000/svg", "")
		for _, bad := range []string{"http://", "https://", "src=\"//", "@import", "url(", " onclick=", "<style"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
	}
}

func TestGuard_Forms(t *testing.T) {
	s := open(t, web.Config{})
	form := url.Values{"query": {"select 1"}}
	if answer, _ := s.do(request(t.Context(), "/sql", form)); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a form without key: %s", answer.Status)
	}
	form.Set("form_key", "guessed")
	if answer, _ := s.do(request(t.Context(), "/sql", form)); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a form with a guessed key: %s", answer.Status)
	}
	if answer, _ := s.post("/sql", form); answer.StatusCode != http.StatusOK {
		t.Errorf("a form of ours: %s", answer.Status)
	}
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		r := request(t.Context(), "/sql", form) // by now with the right key
		r.Header.Set(header, value)
		if answer, _ := s.do(r); answer.StatusCode != http.StatusForbidden {
			t.Errorf("a form with %s %s: %s", header, value, answer.Status)
		}
	}
	form.Set("query", strings.Repeat("x", 70_000))
	if answer, _ := s.do(request(t.Context(), "/sql", form)); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("a body of 70 kB: %s", answer.Status)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		r := httptest.NewRequestWithContext(t.Context(), method, "/sql", nil)
		if answer, _ := s.do(r); answer.StatusCode < 400 {
			t.Errorf("%s: %s", method, answer.Status)
		}
	}
}

func TestSession(t *testing.T) {
	s := open(t, web.Config{Token: token, Secure: true})
	for _, path := range []string{"/", "/sql", "/sweep/1", "/run/1", "/plugins"} {
		answer, body := s.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/login?to="+escape(path) {
			t.Errorf("%s without session: %s %s\n%s", path, answer.Status, answer.Header.Get("Location"), body)
		}
	}
	if answer, _ := s.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", nil)); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("events without session: %s", answer.Status)
	}
	if answer, _ := s.post("/sql", url.Values{"query": {"select 1"}}); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a query without session: %s", answer.Status)
	}
	if answer, _ := s.post("/login", url.Values{"token": {"wrong"}}); answer.StatusCode != http.StatusUnauthorized || len(answer.Cookies()) > 0 {
		t.Errorf("a wrong token: %s", answer.Status)
	}
	answer, _ := s.post("/login", url.Values{"token": {token}, "to": {"/sql"}})
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/sql" || len(answer.Cookies()) != 1 {
		t.Fatalf("the right token: %s to %s", answer.Status, answer.Header.Get("Location"))
	}
	cookie := answer.Cookies()[0]
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, token) {
		t.Errorf("cookie %v", cookie)
	}
	with := func(path string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.AddCookie(cookie)
		answer, _ := s.do(r)
		return answer.StatusCode
	}
	if code := with("/"); code != http.StatusOK {
		t.Errorf("with session: %d", code)
	}
	for header, want := range map[string]int{"Bearer " + token: 200, "Bearer wrong": 303, token: 303} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		if answer, _ := s.do(r); answer.StatusCode != want {
			t.Errorf("Authorization %s: %s", header, answer.Status)
		}
	}
	_, page := s.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/login", nil))
	r := request(t.Context(), "/logout", url.Values{"form_key": {formKey.FindStringSubmatch(page)[1]}})
	r.AddCookie(cookie)
	s.do(r)
	if code := with("/"); code != http.StatusSeeOther {
		t.Errorf("after the end of the session: %d", code)
	}
}

// Behind a proxy that logs visitors in, neither the header nor the token is enough.
func TestProxy_UserHeader(t *testing.T) {
	s := open(t, web.Config{Token: token, UserHeader: "X-Forwarded-User"})
	for name, c := range map[string]struct {
		bearer string
		users  []string
		want   int
	}{
		"proxy":         {token, []string{"ada"}, http.StatusOK},
		"header alone":  {"", []string{"ada"}, http.StatusUnauthorized},
		"wrong token":   {"guess", []string{"ada"}, http.StatusUnauthorized},
		"token alone":   {token, nil, http.StatusUnauthorized},
		"nobody":        {token, []string{" "}, http.StatusUnauthorized},
		"two at a time": {token, []string{"ada", "eve"}, http.StatusUnauthorized},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if c.bearer != "" {
			r.Header.Set("Authorization", "Bearer "+c.bearer)
		}
		for _, u := range c.users {
			r.Header.Add("X-Forwarded-User", u)
		}
		if answer, _ := s.do(r); answer.StatusCode != c.want {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
	if answer, _ := s.post("/login", url.Values{"token": {token}}); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a login past the proxy: %s", answer.Status)
	}
}

func TestSession_Guessing(t *testing.T) {
	s := open(t, web.Config{Token: token})
	refused := 0
	for range 20 {
		if answer, _ := s.post("/login", url.Values{"token": {"guess"}}); answer.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("%d of 20 guesses were refused", refused)
	}
}

func TestLogin_GoesNowhereElse(t *testing.T) {
	elsewhere := []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)", "evil", "/\r\nSet-Cookie: a=b", "http:/evil"}
	s := open(t, web.Config{Token: token})
	for i, to := range elsewhere {
		if i == 4 {
			s = open(t, web.Config{Token: token}) // whose logins are not used up
		}
		answer, _ := s.post("/login", url.Values{"token": {token}, "to": {to}})
		if at := answer.Header.Get("Location"); at != "/" {
			t.Errorf("%q leads to %q", to, at)
		}
	}
}
