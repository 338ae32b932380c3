package web_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
	"github.com/deconfound/deconfound/tracker/web"
)

func contains(t testing.TB, where, body string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(body, w) {
			t.Errorf("%s lacks %q:\n%.3000s", where, w, body)
		}
	}
}

func TestPages(t *testing.T) {
	s := open(t, web.Config{Expected: func(context.Context, tracker.Sweep) (int, error) { return 10, nil }})
	contains(t, "the first page", text(s.get("/")), "No sweeps yet")
	runs := s.plan("first", "concat")
	for i, run := range runs[:4] {
		s.finish(run, 0.81+0.0123*float64(i))
	}
	s.fail(runs[4], tracker.Failure{Code: "nan_loss", Message: "the loss is not a number", Log: "early line\nlast line\n"})
	contains(t, "the first page", text(s.get("/")), "first", "4 of 10", "waiting")
	at := fmt.Sprintf("/sweep/%d", s.sweep.ID)
	page := text(s.get(at))
	contains(t, "the sweep", page, "5 of 10 runs ended", "nan_loss", "the loss is not a number", "last line", "auroc on test", "# first")

	// The leaderboard has the digits of SQL.
	analyst, err := s.store.ReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer analyst.Close(t.Context())
	const query = `select variant, mean, lo, hi from leaderboard where metric = 'auroc' and split = 'test' and grp = '' order by rank`
	answer, err := shown.Ask(t.Context(), analyst, query, shown.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Rows) != 2 {
		t.Fatalf("got %d rows", len(answer.Rows))
	}
	for _, row := range answer.Rows {
		value := func(i int) float64 {
			if n, ok := row[i].(shown.Number); ok {
				return float64(n)
			}
			return math.NaN() // the interval of one seed
		}
		want := fmt.Sprintf("%s %s", row[0], shown.Decimal(value(1)))
		if row[0] == "erm" {
			want = fmt.Sprintf("erm baseline %s %s", shown.Decimal(value(1)), shown.Bounds(value(2), value(3)))
		}
		contains(t, "the leaderboard", page, want)
	}

	run := text(s.get(fmt.Sprintf("/run/%d", runs[0].ID)))
	contains(t, "the run", run, "concat / erm on d", "positivity/labs 0.250", "few", shown.Decimal(0.81), shown.Decimal(0.71))
	contains(t, "the failed run", text(s.get(fmt.Sprintf("/run/%d", runs[4].ID))), "nan_loss", "early line last line")

	// Filters and orders.
	contains(t, "failed runs", text(s.get(at+"?state=failed")), "page 1 of 1, 1 runs")
	contains(t, "a variant", text(s.get(at+"?variant=md&phase=replicate")), "page 1 of 1, 3 runs")
	if b := text(s.get(at + "?variant=md")); strings.Contains(b, "erm baseline") {
		t.Error("the leaderboard of md has erm")
	}
	body := s.get(at + "?sort=-mean")
	contains(t, "the order by mean", body, `aria-sort="descending"`)
	if strings.Index(body, "<th scope=\"row\">md") > strings.Index(body, "<th scope=\"row\">erm <span") {
		t.Error("md, which is better, stands below erm")
	}
}

func TestPages_Missing(t *testing.T) {
	s := open(t, web.Config{})
	for _, path := range []string{"/sweep/1", "/sweep/x", "/sweep/-1", "/sweep/99999999999999999999", "/run/7", "/run/0", "/nowhere", "/static/nothing.js",
		"/static/..%2fserver.go", "/sweep/1/compare", "/plugins", "/static/"} {
		answer, _ := s.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %s", path, answer.Status)
		}
	}
}

// Whatever a plugin, a file or a log says is text.
func TestPages_HostileNames(t *testing.T) {
	plugin := web.Plugin{Kind: "backbone", Name: hostile, Text: hostile, Citation: hostile, Problem: hostile, Settings: []web.PluginSetting{{Name: hostile, Default: hostile}}}
	group := web.ComparedGroup{Level: hostile, Defined: 1, HasDifference: true, Difference: 0.1, DLow: -0.1, DHigh: 0.3, P: 0.5, Verdict: hostile}
	s := open(t, web.Config{
		Plugins: func(context.Context) ([]web.Plugin, error) { return []web.Plugin{plugin}, nil },
		Compare: func(context.Context, web.Question) (web.Comparison, error) {
			row := web.ComparisonRow{Dataset: hostile, Backbone: hostile, Variant: hostile, Overall: group, Worst: group, Patterns: []web.ComparedGroup{group}, Flags: []string{hostile},
				Marks: []web.Mark{{Text: hostile, Refuter: hostile, Reason: hostile}}, Sensitivity: []web.Sensitivity{{Name: hostile}}}
			return web.Comparison{
				Tables: []web.ComparisonTable{{Dataset: hostile, Metric: hostile, Baseline: hostile, Correction: hostile, Tested: true, Rows: []web.ComparisonRow{row}, Methods: hostile, Notes: []string{hostile}}},
				Notes:  []string{hostile}, Caveats: []string{hostile}, Joint: hostile,
			}, nil
		},
		Audit: func(context.Context, string) (web.DatasetAudit, bool, error) {
			return web.DatasetAudit{
				Name: hostile, Title: hostile, Label: hostile, Dropped: []string{hostile}, Patterns: []web.AuditPattern{{Name: hostile, Rows: 3}}, Limits: hostile,
				Tables: []web.AuditTable{{Title: hostile, Head: []string{hostile}, Rows: [][]string{{hostile, hostile}}, Note: hostile}},
				Blocks: []web.AuditBlock{{Name: hostile, With: []int{1, 2}, Without: []int{2, 1}, Positivity: hostile, Balance: []web.AuditContrast{{Covariate: hostile, Before: 1}}, Words: []string{hostile}}},
			}, true, nil
		},
		Version: hostile,
	})
	runs := s.plan(hostile, hostile)
	s.finish(runs[0], 0.8)
	s.fail(runs[1], tracker.Failure{Code: hostile, Message: hostile, Log: hostile})
	sweep := fmt.Sprintf("/sweep/%d", s.sweep.ID)
	s.compared(sweep+"/compare", s.follow(s.serve()))
	pages := []string{"/", sweep, sweep + "/data/d", sweep + "/compare", fmt.Sprintf("/run/%d", runs[0].ID), fmt.Sprintf("/run/%d", runs[1].ID), "/plugins", "/sql?q=" + escape(hostile),
		sweep + "?backbone=" + escape(hostile) + "&variant=" + escape(hostile) + "&sort=" + escape(hostile), "/login?to=" + escape("/"+hostile)}
	bodies := map[string]string{}
	for _, path := range pages {
		bodies[path] = s.get(path)
	}
	_, bodies["a failing query"] = s.sql(hostile)
	_, bodies["an answer"] = s.sql(`select sweep as "` + strings.ReplaceAll(hostile, `"`, `""`) + `", backbone from runs`)
	for path, body := range bodies {
		if strings.Contains(body, "<script>") || strings.Contains(body, "<img") || strings.Contains(body, `"><`+`script`) {
			t.Errorf("%s carries markup:\n%s", path, body)
		}
		if path != "/login?to="+escape("/"+hostile) && !strings.Contains(body, "&lt;script&gt;") {
			t.Errorf("%s does not show the name", path)
		}
		if i := strings.Index(body, " style="); i >= 0 {
			t.Errorf("%s has a style that the policy forbids: %.80s", path, body[i:])
		}
	}
}

func TestComparison(t *testing.T) {
	var calls atomic.Int32
	s := open(t, web.Config{Compare: func(_ context.Context, q web.Question) (web.Comparison, error) {
		calls.Add(1)
		if q.TestSet != "id" || q.Metric != "" {
			t.Errorf("asked %v", q)
		}
		return web.Comparison{
			Tables: []web.ComparisonTable{{
				Dataset: "d", Metric: "auroc", Baseline: "erm", Better: "higher", Seeds: 3, Correction: "Holm", Tested: true, OtherTests: []string{"DeLong"},
				Rows: []web.ComparisonRow{
					{Dataset: "d", Backbone: "concat", Variant: "erm", Baseline: true, Overall: web.ComparedGroup{Mean: 0.8124, Low: math.NaN(), High: math.NaN()}},
					{Dataset: "d", Backbone: "concat", Variant: "md", Overall: web.ComparedGroup{
						Mean: 0.8341, Low: 0.82, High: 0.85, HasDifference: true, Difference: 0.0217, DLow: 0.0104, DHigh: 0.0333, P: 0.0001, Others: []float64{0.0421}, Improves: true, Verdict: "better",
					}},
				},
			}},
			Notes: []string{"the baseline was changed"},
		}, nil
	}})
	runs := s.plan("first", "concat")
	path := fmt.Sprintf("/sweep/%d/compare", s.sweep.ID)
	contains(t, "the comparison before an end", text(s.get(path)), "no replicate of this sweep is done yet")
	if calls.Load() != 0 {
		t.Error("compared nothing")
	}
	s.finish(runs[0], 0.8)
	contains(t, "the first visit", text(s.get(path)), "The comparison is being computed")
	news := s.follow(s.serve())
	for range 2 {
		contains(t, "the comparison", text(s.compared(path, news)), "Not pre-registered: the baseline was changed", "+0.022 0.010 to 0.033", "<0.001 better", "0.042", "0.834 0.820 to 0.850", "0.812",
			"positivity/labs", "1 of 1")
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("compared %d times without anything new", n)
	}
	s.finish(runs[3], 0.9)
	contains(t, "the comparison after a run ended", text(s.get(path)), "is being computed anew", "0.834 0.820 to 0.850")
	s.compared(path, news)
	if n := calls.Load(); n != 2 {
		t.Errorf("compared %d times after a run ended", n)
	}
}

// compared answers the page when its comparison is there.
func (s *site) compared(path string, news func() bool) string {
	s.Helper()
	for {
		if body := s.get(path); !strings.Contains(body, "being computed") {
			return body
		}
		if !news() {
			s.Fatal("the stream ended before the comparison came")
		}
	}
}

// A setting that the metric follows comes before one that it does not.
func TestSweep_Settings(t *testing.T) {
	s := open(t, web.Config{})
	s.finish(s.plan("first", "concat")[0], 0.8)
	for _, sql := range []string{
		`insert into run (sweep_id, dataset_id, split_seed, init_seed, trial, state, phase, run_hash, backbone, variant, spec, epoch, epochs, started_at, ended_at, worker_id)
			select sweep_id, dataset_id, k, k, k, 'done', 'search', sha256(k::text::bytea), 'concat', 'md',
			       jsonb_build_object('parameters', jsonb_build_object('optimizer.lr', k, 'head.dropout', (k * 3) % 7, 'optimizer.name', 'adam')), 3, 3, now(), now(), worker_id
			  from (select sweep_id, dataset_id from run limit 1) x, (select min(worker_id) as worker_id from worker) w, generate_series(1, 6) k`,
		`insert into metric (name, split) values ('auroc', 'val') on conflict do nothing`,
		`insert into result select run_id, metric_id, 0.9 - trial / 10.0 from run, metric where phase = 'search' and name = 'auroc' and split = 'val' and grp = ''`,
	} {
		if _, err := s.store.Pool().Exec(s.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// The squared differences of the ranks 3 6 2 5 1 4 and 6 5 4 3 2 1 add up to 28: rho is 1 - 6*28/210.
	contains(t, "the sweep", text(s.get(fmt.Sprintf("/sweep/%d", s.sweep.ID))), "optimizer.lr -1.000 1.000 1 6 head.dropout +0.200 0.200 1 6", "Spearman's rank correlation")
}

// What was made before is shown at once, and a visit makes nothing.
func TestComparison_Kept(t *testing.T) {
	s := open(t, web.Config{
		Compare: func(context.Context, web.Question) (web.Comparison, error) { panic("nobody may make it") },
		Kept: func(context.Context, web.Question) (web.Comparison, bool, error) {
			return web.Comparison{Notes: []string{"from before"}, Tables: []web.ComparisonTable{{Dataset: "d", Rows: []web.ComparisonRow{{}}}}}, true, nil
		},
	})
	s.finish(s.plan("first", "concat")[0], 0.8)
	s.serve()
	contains(t, "the page", text(s.get(fmt.Sprintf("/sweep/%d/compare", s.sweep.ID))), "Not pre-registered: from before")
}

func TestComparison_Fails(t *testing.T) {
	s := open(t, web.Config{Compare: func(context.Context, web.Question) (web.Comparison, error) {
		return web.Comparison{}, fmt.Errorf("the sweep's analysis names no baseline")
	}})
	s.finish(s.plan("first", "concat")[0], 0.8)
	news := s.follow(s.serve())
	contains(t, "the page", text(s.compared(fmt.Sprintf("/sweep/%d/compare", s.sweep.ID), news)), "the sweep's analysis names no baseline")
}
