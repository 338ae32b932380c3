package web_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"html"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
	"github.com/deconfound/deconfound/tracker/web"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		http.DefaultClient.CloseIdleConnections()
		err := goleak.Find(goleak.IgnoreAnyFunction("github.com/deconfound/deconfound/tracker/pglocal.(*Cluster).spawn.func1"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// hostile is what a name, a log line or a file may hold at worst.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.FormKey}}'--` + "\u202e"

// site is a server over a tracker with one sweep.
type site struct {
	testing.TB
	store  *tracker.Store
	worker *tracker.Worker
	sweep  tracker.Sweep
	server *web.Server
}

func open(t testing.TB, config web.Config) *site {
	t.Helper()
	s := &site{TB: t, store: trackertest.New(t)}
	config.Store, config.Log = s.store, slog.New(slog.NewTextHandler(io.Discard, nil))
	var err error
	if s.server, err = web.New(config); err != nil {
		t.Fatal(err)
	}
	if s.worker, err = s.store.RegisterWorker(t.Context(), "w"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.worker.Close)
	return s
}

func (s *site) tx(f func(ctx context.Context, tx pgx.Tx) error) {
	s.Helper()
	if err := s.store.InTx(s.Context(), func(tx pgx.Tx) error { return f(s.Context(), tx) }); err != nil {
		s.Fatal(err)
	}
}

// plan stores a sweep with replicates of erm and md on three seeds, in this order.
func (s *site) plan(name, backbone string) []tracker.Run {
	s.Helper()
	var runs []tracker.Run
	s.tx(func(ctx context.Context, tx pgx.Tx) error {
		var err error
		s.sweep, err = s.store.UpsertSweep(ctx, tx, tracker.SweepSpec{
			Name: name, TOML: "# " + name, Baseline: "erm", Spec: []byte(`{"metric":{"name":"val/auroc"}}`),
		})
		if err != nil {
			return err
		}
		var planned []tracker.PlannedRun
		for _, variant := range []string{"erm", "md"} {
			for seed := range 3 {
				h := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%s/%d", name, backbone, variant, seed))
				planned = append(planned, tracker.PlannedRun{
					Hash: h[:], Dataset: "d", DatasetHash: "dh", Backbone: backbone, BackboneHash: "bh", Variant: variant,
					Phase: tracker.Replicate, Replicate: &seed, SplitSeed: int64(seed), InitSeed: int64(seed), Epochs: 3,
				})
			}
		}
		runs, err = s.store.PlanRuns(ctx, tx, s.sweep.ID, planned, true)
		return err
	})
	slices.SortFunc(runs, func(a, b tracker.Run) int {
		return cmp.Or(cmp.Compare(a.Variant, b.Variant), cmp.Compare(*a.Replicate, *b.Replicate))
	})
	return runs
}

// finish trains a run: its AUROC is value.
func (s *site) finish(run tracker.Run, value float64) {
	s.Helper()
	lease, err := s.store.Claim(s.Context(), run.ID, run.Fence, s.worker)
	if err != nil {
		s.Fatal(err)
	}
	s.tx(func(ctx context.Context, tx pgx.Tx) error {
		return s.store.Finish(ctx, tx, lease, tracker.Outcome{
			Metrics: map[tracker.Metric]float64{
				{Name: "auroc", Split: "test"}: value, {Name: "brier", Split: "test"}: math.NaN(),
				{Name: "auroc", Split: "test", Group: "pattern", Level: "base"}: value - 0.1,
			},
			Diagnostics: []tracker.Diagnostic{{Name: "positivity/labs", Estimate: 0.25, Lo: math.NaN(), Hi: math.NaN(), P: math.NaN(), Verdict: "fail", Detail: []byte(`{"reason":"few"}`)}},
		})
	})
}

func (s *site) fail(run tracker.Run, f tracker.Failure) {
	s.Helper()
	lease, err := s.store.Claim(s.Context(), run.ID, run.Fence, s.worker)
	if err != nil {
		s.Fatal(err)
	}
	s.tx(func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Fail(ctx, tx, lease, f)
		return err
	})
}

// answered is what came before the body.
type answered struct {
	StatusCode int
	Status     string
	Header     http.Header
	cookies    []*http.Cookie
}

func (a answered) Cookies() []*http.Cookie { return a.cookies }

// do sends a request as a browser on this machine does, and answers status and body.
func (s *site) do(r *http.Request) (answered, string) {
	s.Helper()
	if r.Host == "example.com" { // httptest's
		r.Host = "127.0.0.1:8600"
	}
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	answer.Body.Close()
	return answered{answer.StatusCode, answer.Status, answer.Header, answer.Cookies()}, string(body)
}

func (s *site) get(path string) string {
	s.Helper()
	answer, body := s.do(httptest.NewRequestWithContext(s.Context(), http.MethodGet, path, nil))
	if answer.StatusCode != http.StatusOK {
		s.Fatalf("GET %s: %s\n%s", path, answer.Status, text(body))
	}
	return body
}

var formKey = regexp.MustCompile(`name="form_key" value="([^"]+)"`)

// post sends a form with the key that the page at from has.
func (s *site) post(path string, form url.Values) (answered, string) {
	s.Helper()
	_, page := s.do(httptest.NewRequestWithContext(s.Context(), http.MethodGet, "/login", nil))
	key := formKey.FindStringSubmatch(page)
	if key == nil {
		s.Fatal("the page has no key for its forms")
	}
	form.Set("form_key", key[1])
	return s.do(request(s.Context(), path, form))
}

func request(ctx context.Context, path string, form url.Values) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// sql runs a statement in the console.
func (s *site) sql(query string) (int, string) {
	s.Helper()
	answer, body := s.post("/sql", url.Values{"query": {query}})
	return answer.StatusCode, body
}

var tags = regexp.MustCompile(`<[^>]*>`)

// text is a page without its markup.
func text(body string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(body, " "))), " ")
}

func minute(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
