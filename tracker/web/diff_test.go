package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
	"github.com/deconfound/deconfound/tracker/web"
)

// The page of two runs says in what they differ, with the digits of runs diff.
func TestDiff(t *testing.T) {
	s := open(t, web.Config{})
	runs := s.plan("first", hostile)
	s.finish(runs[0], 0.8)
	s.finish(runs[3], 0.8217)
	for i, run := range []tracker.Run{runs[0], runs[3]} {
		const sql = `update run set spec = $2, host_version = $3 where run_id = $1`
		spec := fmt.Sprintf(`{"optimizer": {"lr": %v, "name": "adam"}, "tags": ["%d", "<script>"]}`, 0.001*float64(i+1), i)
		if _, err := s.store.Pool().Exec(t.Context(), sql, run.ID, spec, fmt.Sprint("1.", i)); err != nil {
			t.Fatal(err)
		}
	}
	contains(t, "the form", text(s.get("/diff")), "Compare two runs")
	contains(t, "nonsense", text(s.get("/diff?a=x&b=2")), "name two runs by their numbers")
	body := s.get(fmt.Sprintf("/diff?a=%d&b=%d", runs[0].ID, runs[3].ID))
	contains(t, "the markup", body, `[&#34;0&#34;,&#34;\u003cscript\u003e&#34;]`, "&lt;script&gt;")
	page := text(body)
	contains(t, "the page", page, "optimizer.lr 0.001 0.002", `program.version "1.0" "1.1"`, "test/auroc 0.800 0.822 +0.022", "test/auroc@pattern=base 0.700 0.722 +0.022",
		fmt.Sprintf("deconfound runs diff %d %d", runs[0].ID, runs[3].ID))
	contains(t, "a run with itself", text(s.get(fmt.Sprintf("/diff?a=%d&b=%[1]d", runs[0].ID))), "the same settings, data and plugins", "the same program and environment", "No result that both have differs")
	contains(t, "the run", s.get(fmt.Sprintf("/run/%d", runs[3].ID)), fmt.Sprintf(`href="/diff?a=%d&amp;b=%d"`, runs[3].ID, runs[0].ID))
	if answer, _ := s.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/diff?a=1&b=999", nil)); answer.StatusCode != http.StatusNotFound {
		t.Errorf("a run that is not there: %s", answer.Status)
	}
	results, err := s.store.Results(t.Context(), tracker.RunFilter{IDs: []int64{runs[0].ID, runs[3].ID}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.store.Run(t.Context(), runs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.store.Run(t.Context(), runs[3].ID)
	if err != nil {
		t.Fatal(err)
	}
	diff, err := shown.DiffRuns(a, b, results)
	if err != nil || len(diff.Results) != 2 || len(diff.Spec) == 0 {
		t.Errorf("got %+v, %v", diff, err)
	}
}
