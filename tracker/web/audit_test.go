package web_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/deconfound/deconfound/tracker/web"
)

// The page of a dataset shows what is stored under the hash of its content, and
// says so where nothing is.
func TestAudit(t *testing.T) {
	known := false
	s := open(t, web.Config{Audit: func(_ context.Context, hash string) (web.DatasetAudit, bool, error) {
		if hash != "dh" {
			t.Errorf("asked for %q", hash)
		}
		return web.DatasetAudit{
			Name: "d", Title: "A cohort", Task: "binary", Rows: 1234, Patients: 1000, Label: "the label from the pattern alone: AUROC 0.68",
			Patterns: []web.AuditPattern{{Name: "base", Rows: 234, Share: 0.1896, Prevalence: 0.0512}, {Name: "base+labs", Rows: 1000, Share: 0.8104, Prevalence: 0.25}},
			Tables:   []web.AuditTable{{Title: "Odds of the label", Head: []string{"modality", "crude"}, Words: 1, Rows: [][]string{{"labs", "0.82 (0.66 to 1.03)"}}, Note: "odds"}},
			Blocks: []web.AuditBlock{{
				Name: "labs", With: []int{0, 30, 70}, Without: []int{10, 0, 0}, Positivity: "16.1 % of rows", Words: []string{"Who misses it: 19 % of rows."},
				Balance: []web.AuditContrast{{Covariate: "constant", Before: math.NaN(), After: math.NaN()}, {Covariate: "age", Before: 0.7411, After: -0.0926}},
			}},
		}, known, nil
	}})
	s.plan("first", "concat")
	at := fmt.Sprintf("/sweep/%d", s.sweep.ID)
	contains(t, "the sweep", s.get(at), `href="`+at+`/data/d"`)
	contains(t, "a dataset without an audit", text(s.get(at+"/data/d")), "No audit of this dataset is stored", "deconfound data audit d")
	known = true
	contains(t, "the page", text(s.get(at+"/data/d")), "A cohort", "1234", "AUROC 0.68", "base+ labs yes yes 1000 0.810 0.250", "base yes no 234 0.190 0.051",
		"rows with it 1234 1.000 1000 0.810", "Overlap: labs 16.1 % of rows", "100 rows with it", "10 rows without", "age +0.741 -0.093", "constant n/a n/a",
		"labs 0.82 (0.66 to 1.03)", "Who misses it: 19 % of rows.")
	for _, path := range []string{at + "/data/other", "/sweep/99/data/d", at + "/data/"} {
		answer, _ := s.do(httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %s", path, answer.Status)
		}
	}
}
