package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// The limits of a query of the console.
const (
	QueryTimeout = 20 * time.Second
	MaxRows      = 1000    // shown
	MaxCSVRows   = 200_000 // downloaded
	maxAnswer    = 32 << 20
	maxConsoles  = 2
	maxBars      = 40
)

type consolePage struct {
	Query   string
	Saved   []SavedQuery
	Views   []tracker.View
	Problem string
	Asked   bool
	shown.Answer
	Took    time.Duration
	Numeric []bool // columns that hold numbers
	Bars    []answerBar
	BarOf   string // the column that is drawn
	Timeout time.Duration
	MaxRows int
}

// answerBar is a row of the chart of an answer.
type answerBar struct {
	Label, Value string
	X, Width     string
}

func (s *Server) consolePage(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query().Get("q")
	for _, q := range savedQueries {
		if q.Name == r.URL.Query().Get("saved") {
			query = q.SQL
		}
	}
	return s.console(w, r, http.StatusOK, consolePage{Query: query})
}

func (s *Server) console(w http.ResponseWriter, r *http.Request, status int, page consolePage) error {
	views, err := s.config.Store.Views(r.Context())
	if err != nil {
		return err
	}
	page.Views, page.Saved, page.Timeout, page.MaxRows = views, savedQueries, s.config.QueryTimeout, MaxRows
	s.renderStatus(w, r, status, "console", "SQL", page)
	return nil
}

func (s *Server) consoleRun(w http.ResponseWriter, r *http.Request) error {
	page := consolePage{Query: r.PostForm.Get("query"), Asked: true}
	began := time.Now()
	answer, err := s.ask(r.Context(), page.Query, MaxRows)
	page.Took = time.Since(began).Round(time.Millisecond)
	if err != nil {
		status, text, known := s.told(err)
		if !known {
			return err
		}
		page.Problem, page.Asked = text, false
		return s.console(w, r, status, page)
	}
	page.Answer = answer
	page.Numeric = answer.Numeric()
	page.Bars, page.BarOf = answerBars(answer, page.Numeric)
	return s.console(w, r, http.StatusOK, page)
}

func (s *Server) consoleCSV(w http.ResponseWriter, r *http.Request) error {
	answer, err := s.ask(r.Context(), r.PostForm.Get("query"), MaxCSVRows)
	if err != nil {
		status, text, known := s.told(err)
		if !known {
			return err
		}
		return s.console(w, r, status, consolePage{Query: r.PostForm.Get("query"), Problem: text})
	}
	if answer.Cut {
		return s.console(w, r, http.StatusRequestEntityTooLarge, consolePage{
			Query: r.PostForm.Get("query"), Problem: fmt.Sprintf("the answer is larger than %d rows or %d MB: deconfound sql --csv has no such limit", MaxCSVRows, maxAnswer>>20),
		})
	}
	var b bytes.Buffer
	if err := answer.CSV(&b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="deconfound.csv"`)
	_, _ = w.Write(b.Bytes()) // a visitor who left is no failure
	return nil
}

// ask runs a statement of a visitor. Its connection logged in as the analyst, who
// can read the views and nothing else, and lives for this statement alone: what it
// sets or holds ends with it.
func (s *Server) ask(ctx context.Context, query string, rows int) (shown.Answer, error) {
	if strings.TrimSpace(query) == "" {
		return shown.Answer{}, refuse(http.StatusBadRequest, "write a query, or take one of the saved ones")
	}
	if !s.queries.allow(time.Now()) {
		return shown.Answer{}, refuse(http.StatusTooManyRequests, "too many queries: wait a moment")
	}
	select {
	case s.consoles <- struct{}{}:
		defer func() { <-s.consoles }()
	default:
		return shown.Answer{}, refuse(http.StatusTooManyRequests, "other queries are still running: wait a moment")
	}
	analyst, err := s.config.Store.ReadOnly(ctx)
	if err != nil {
		return shown.Answer{}, err
	}
	defer analyst.Close(context.WithoutCancel(ctx))
	if analyst.Isolation != tracker.LoginIsolation {
		return shown.Answer{}, refuse(http.StatusForbidden, "the console needs a database login of its own: name one of the role "+tracker.AnalystRole+" in DECONFOUND_ANALYST_DSN, or let it log in without a password")
	}
	analyst.Timeout = s.config.QueryTimeout
	return shown.Ask(ctx, analyst, query, shown.Limit{Rows: rows, Bytes: maxAnswer})
}

// told is what a visitor may know of an error, and whether it is theirs to know.
func (s *Server) told(err error) (status int, text string, known bool) {
	var f *failure
	if errors.As(err, &f) {
		return f.status, f.text, true
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if errors.Is(err, context.DeadlineExceeded) {
			return http.StatusBadRequest, fmt.Sprintf("ended after %v, the limit of a query", s.config.QueryTimeout), true
		}
		var large *pgproto3.ExceededMaxBodyLenErr
		if errors.As(err, &large) {
			return http.StatusBadRequest, "a row of the answer is larger than 16 MB", true
		}
		return 0, "", false
	}
	text = e.Message
	if e.Code == "57014" {
		text = fmt.Sprintf("ended after %v, the limit of a query", s.config.QueryTimeout)
	}
	if e.Position > 0 {
		text += fmt.Sprintf(" (at character %d)", e.Position)
	}
	if e.Hint != "" {
		text += ". " + e.Hint
	}
	return http.StatusBadRequest, text, true
}

// answerBars draws the last column of numbers against the columns of text; nothing
// for an answer of another form.
func answerBars(a shown.Answer, numeric []bool) ([]answerBar, string) {
	value := -1
	for i, is := range numeric {
		if is {
			value = i
		}
	}
	if value < 0 || len(a.Rows) < 2 || len(a.Rows) > maxBars || len(a.Columns) < 2 {
		return nil, ""
	}
	low, high := 0.0, 0.0
	for _, row := range a.Rows {
		if v, ok := shown.Float(row[value]); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	if low == high {
		return nil, ""
	}
	s := scale{low, high, 0, 100}
	var out []answerBar
	for _, row := range a.Rows {
		var label []string
		for i := range row {
			if !numeric[i] {
				label = append(label, shown.Cell(row[i]))
			}
		}
		if len(label) == 0 {
			label = []string{shown.Cell(row[0])}
		}
		b := answerBar{Label: strings.Join(label, " · "), Value: shown.Cell(row[value]), X: "0", Width: "0"}
		if v, ok := shown.Float(row[value]); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
			b.X, b.Width = px(min(s.at(0), s.at(v))), px(math.Abs(s.at(v)-s.at(0)))
		}
		out = append(out, b)
	}
	return out, a.Columns[value]
}
