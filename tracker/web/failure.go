package web

import (
	"errors"
	"net/http"

	"github.com/deconfound/deconfound/tracker"
)

// failure is an error that a visitor is told about.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func refuse(status int, text string) error { return &failure{status, text} }

func notFound(text string) error { return refuse(http.StatusNotFound, text) }

// fail answers with a page that says what is wrong; what is not the visitor's
// business goes to the log.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var f *failure
	switch {
	case r.Context().Err() != nil:
		return // nobody is there to read it
	case errors.As(err, &f):
	case errors.Is(err, tracker.ErrNotFound):
		f = &failure{http.StatusNotFound, "the tracker has no such sweep or run"}
	default:
		s.log.Error("page failed", "path", r.URL.Path, "error", err)
		f = &failure{http.StatusInternalServerError, "the page could not be made; the program's output says why"}
	}
	s.renderStatus(w, r, f.status, "failure", http.StatusText(f.status), f.text)
}
