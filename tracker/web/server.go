package web

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

//go:embed templates static
var files embed.FS

// Config is what a server shows and to whom.
type Config struct {
	Store *tracker.Store
	// Token is what a visitor has to know; "" lets everybody in, which is for
	// loopback addresses alone.
	Token string
	// UserHeader is the header in which a proxy that logs visitors in says who they
	// are, such as X-Forwarded-User; "" if there is none. Then only requests with it
	// and with the token, as Authorization: Bearer, are let in: nobody can log in by
	// the token alone.
	UserHeader string
	// Hosts are the names, beside localhost and addresses, by which the server may
	// be called. A request for another name is refused: it is that of a page
	// elsewhere whose name was pointed at this address.
	Hosts []string
	// Secure marks the session's cookie as one for HTTPS alone; for a server behind
	// a proxy that does TLS.
	Secure  bool
	Version string
	Log     *slog.Logger // of failures; nil is slog.Default
	// QueryTimeout ends a query of the console; 0 is QueryTimeout.
	QueryTimeout time.Duration

	// Compare compares the variants of a sweep, in the background; nil: there is no
	// comparison page.
	Compare func(context.Context, Question) (Comparison, error)
	// Kept answers a comparison that was made before, and false if it has to be made;
	// nil: none is known but by this server. It writes nothing.
	Kept func(context.Context, Question) (Comparison, bool, error)
	// Selection audits how a sweep's trials were selected, and answers false if none
	// were; nil: it is not shown. The metric is never "".
	Selection func(context.Context, Question) (Selection, bool, error)
	// Comparable says whether Compare knows a metric; nil: it knows all.
	Comparable func(metric string) bool
	// Expected counts the runs of a whole sweep, those too that are not enqueued
	// yet; nil: only those that are.
	Expected func(context.Context, tracker.Sweep) (int, error)
	// Audit answers the stored audit of a dataset by the hash of its content, and false
	// if there is none; nil: there are no pages of datasets.
	Audit func(ctx context.Context, hash string) (DatasetAudit, bool, error)
	// Plugins lists the installed plugins; nil: there is no catalogue.
	Plugins func(context.Context) ([]Plugin, error)
}

// Server is the pages of one tracker. It is an http.Handler, safe for use by many
// goroutines.
type Server struct {
	config    Config
	log       *slog.Logger
	pages     map[string]*template.Template
	assets    map[string]asset
	handler   http.Handler
	sessions  sessions
	formKey   string // of this process; a form without it is not one of ours
	logins    *rate
	queries   *rate
	consoles  chan struct{} // a token a query that runs
	live      *hub
	memo      memo
	compared  *comparisons
	catalogue catalogue
}

// New makes a server. Nothing runs in the background until Watch or Serve.
func New(config Config) (*Server, error) {
	pages, err := parsePages()
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	assets, err := readAssets()
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	s := &Server{
		config: config, log: config.Log, pages: pages, assets: assets, formKey: rand.Text(),
		logins: newRate(5, 10*time.Second), queries: newRate(20, 500*time.Millisecond), consoles: make(chan struct{}, maxConsoles),
		live: newHub(config.Store), compared: newComparisons(),
	}
	if s.config.QueryTimeout == 0 {
		s.config.QueryTimeout = QueryTimeout
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.handler = s.guard(s.routes())
	return s, nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	page := func(pattern string, f func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	page("GET /{$}", s.sweepsPage)
	page("GET /sweep/{id}", s.sweepPage)
	page("GET /sweep/{id}/compare", s.comparisonPage)
	page("GET /sweep/{id}/data/{dataset...}", s.auditPage)
	page("GET /run/{id}", s.runPage)
	page("GET /diff", s.diffPage)
	page("GET /sql", s.consolePage)
	page("POST /sql", s.consoleRun)
	page("POST /sql.csv", s.consoleCSV)
	page("GET /plugins", s.pluginsPage)
	page("GET /login", s.loginPage)
	page("POST /login", s.login)
	page("POST /logout", s.logout)
	page("GET /events", s.events)
	page("GET /static/{name}", s.asset)
	page("/", func(http.ResponseWriter, *http.Request) error { return notFound("there is no such page") })
	return mux
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Watch listens for changes in the tracker and tells the viewers, and makes the
// comparisons that they ask for, until ctx ends.
func (s *Server) Watch(ctx context.Context) {
	var wait sync.WaitGroup
	wait.Go(func() { s.makeComparisons(ctx) })
	s.live.watch(ctx, s.log)
	wait.Wait()
}

// The limits of a connection. A page is small and made in milliseconds; what takes
// long is a comparison or a query, which have limits of their own below that of
// writing. The stream of events extends its own.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 2 * time.Minute
	idleTimeout   = time.Minute
	maxHeader     = 32 << 10
	maxBody       = 64 << 10
)

// Serve answers requests on l until ctx ends, then lets those that are being
// answered finish for a moment. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx }, // events end with it
	}
	var wait sync.WaitGroup
	wait.Go(func() { s.Watch(ctx) })
	wait.Go(func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close() // what is still open is cut
		}
	})
	err := server.Serve(l)
	stop()
	wait.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
