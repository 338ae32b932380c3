package web

import (
	"bytes"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/deconfound/deconfound/tracker/shown"
)

// frame is what the layout of every page needs.
type frame struct {
	Title    string
	Path     string
	FormKey  string
	Version  string
	Token    bool // the visitor is logged in
	Sheet    string
	Script   string
	Theme    string
	Compare  bool
	Plugins  bool
	Content  any
	LoggedIn bool
}

var helpers = template.FuncMap{
	"decimal":    shown.Decimal,
	"signed":     shown.Signed,
	"prob":       shown.Probability,
	"bounds":     shown.Bounds,
	"cell":       shown.Cell,
	"number":     func(v shown.Number) string { return shown.Decimal(float64(v)) },
	"difference": func(v shown.Number) string { return shown.Signed(float64(v)) },
	"digits":     func(v float64) string { return shown.Cell(shown.Number(v)) },
	"stamp":      func(t time.Time) string { return t.Local().Format(time.DateTime) },
	"machine":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"duration":   duration,
	"join":       strings.Join,
	"short":      func(s string) string { return s[:min(len(s), 12)] },
	"add":        func(a, b int) int { return a + b },
	"segment":    url.PathEscape,
	"parts":      func(s string) []string { return strings.SplitAfter(s, "+") },
}

// duration prints a time span in the two units that matter.
func duration(d time.Duration) string {
	if d < time.Minute {
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// parsePages reads the templates: each page with the layout and the parts.
func parsePages() (map[string]*template.Template, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		page := strings.TrimSuffix(path.Base(name), ".html")
		if page == "layout" || page == "charts" {
			continue
		}
		t, err := template.New("layout.html").Funcs(helpers).ParseFS(files, "templates/layout.html", "templates/charts.html", name)
		if err != nil {
			return nil, err
		}
		pages[page] = t
	}
	return pages, nil
}

func (s *Server) render(w http.ResponseWriter, r *http.Request, page, title string, content any) error {
	s.renderStatus(w, r, http.StatusOK, page, title, content)
	return nil
}

// renderStatus makes the whole page before it sends the first byte.
func (s *Server) renderStatus(w http.ResponseWriter, r *http.Request, status int, page, title string, content any) {
	body, err := s.execute(r, page, title, content)
	if err != nil {
		http.Error(w, "the page could not be made; the program's output says why", http.StatusInternalServerError)
		return
	}
	send(w, status, body)
}

// execute makes a page.
func (s *Server) execute(r *http.Request, page, title string, content any) ([]byte, error) {
	f := frame{
		Title: title, Path: r.URL.Path, FormKey: s.formKey, Version: s.config.Version,
		LoggedIn: s.loggedIn(r), Plugins: s.config.Plugins != nil, Content: content,
		Sheet: s.assets["style.css"].url, Script: s.assets["page.js"].url, Theme: s.assets["theme.js"].url,
	}
	var b bytes.Buffer
	if err := s.pages[page].Execute(&b, f); err != nil {
		s.log.Error("template failed", "page", page, "error", err)
		return nil, err
	}
	return b.Bytes(), nil
}

func (s *Server) loggedIn(r *http.Request) bool { return s.config.Token != "" && s.admitted(r) }

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a visitor who left is no failure
}
