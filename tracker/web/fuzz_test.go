package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/tracker/web"
)

// Whatever is asked, the server answers with a page, never with a panic or a 500.
func FuzzHandlers(f *testing.F) {
	s := open(f, web.Config{Compare: func(context.Context, web.Question) (web.Comparison, error) { return web.Comparison{}, nil }})
	runs := s.plan("first", "concat")
	s.finish(runs[0], 0.8)
	for _, seed := range [][2]string{
		{"/", ""}, {"/sweep/1?metric=auroc%2Ftest&sort=-mean&page=2&state=failed", ""}, {"/sweep/1/compare?test=do&metric=x", ""}, {"/run/1?test=id", ""},
		{"/sql?saved=paired&q=%00", ""}, {"/sql", "query=select+1"}, {"/sql.csv", "query=select+1%3B"}, {"/login", "token=x&to=%2F%2Fevil"}, {"/logout", ""}, {"/static/page.js", ""},
		{"/sweep/1?page=99999999999999999999", ""}, {"/sweep/1?backbone=%ff%fe%00&variant='", ""}, {"/../../etc/passwd", ""}, {"/run/%2e%2e", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	_, page := s.do(httptest.NewRequestWithContext(f.Context(), http.MethodGet, "/login", nil))
	key := formKey.FindStringSubmatch(page)[1]
	f.Fuzz(func(t *testing.T, target, form string) {
		at, err := url.ParseRequestURI(target)
		if err != nil || at.Host != "" || !strings.HasPrefix(at.Path, "/") || at.Path == "/events" {
			t.Skip()
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if form != "" {
			r = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(form+"&form_key="+url.QueryEscape(key)))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		r.URL, r.RequestURI = at, target
		s.TB = t
		if answer, body := s.do(r); answer.StatusCode >= http.StatusInternalServerError {
			t.Errorf("%s %q: %s\n%s", target, form, answer.Status, text(body))
		}
	})
}
