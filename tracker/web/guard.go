package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// policy lets a page load what this server has, and nothing else: no script, style
// or image of another host, none that is written into the page, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard is what every request passes: headers, the name it calls, the size of its
// body, where a POST comes from, and who it is.
func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if !s.called(r.Host) {
			http.Error(w, "this server does not answer to that name; deconfound ui --host NAME adds one", http.StatusMisdirectedRequest)
			return
		}
		if !legible(r.URL.Query()) {
			s.fail(w, r, refuse(http.StatusBadRequest, "the address is not text"))
			return
		}
		if r.Method == http.MethodPost {
			if err := s.ours(origin, r); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		public := r.URL.Path == "/login" || strings.HasPrefix(r.URL.Path, "/static/")
		if !public && !s.admitted(r) {
			if r.Method == http.MethodGet && r.URL.Path != "/events" && s.config.UserHeader == "" {
				http.Redirect(w, r, "/login?to="+escapeQuery(r.URL.RequestURI()), http.StatusSeeOther)
				return
			}
			s.fail(w, r, refuse(http.StatusUnauthorized, s.notAdmitted()))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) notAdmitted() string {
	if s.config.UserHeader != "" {
		return "this server is reached by its proxy, which logs visitors in"
	}
	return "log in first"
}

// called says whether the server may be called by the name in a Host header: an
// address, localhost, or a name that it was given. Addresses cannot be made to
// point elsewhere; names can.
func (s *Server) called(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		return true
	}
	return slices.ContainsFunc(s.config.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// ours says whether a POST comes from a form of this server: by what the browser
// says of its origin, and by the key that only our pages have.
func (s *Server) ours(origin *http.CrossOriginProtection, r *http.Request) error {
	if err := origin.Check(r); err != nil {
		return refuse(http.StatusForbidden, "this form was sent from another site")
	}
	if err := r.ParseForm(); err != nil {
		return refuse(http.StatusBadRequest, "the form cannot be read, or is larger than 64 KiB")
	}
	if !legible(r.PostForm) {
		return refuse(http.StatusBadRequest, "the form is not text")
	}
	if !same(r.PostForm.Get("form_key"), s.formKey) {
		return refuse(http.StatusForbidden, "this form is too old: load the page again and repeat")
	}
	return nil
}

// legible says whether values are text that a database can be asked with.
func legible(values url.Values) bool {
	for _, list := range values {
		for _, v := range list {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return false
			}
		}
	}
	return true
}

// same compares secrets in a time that does not depend on where they differ.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
