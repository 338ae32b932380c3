package tracker_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// recipe is a query of docs/cookbook.md.
var recipe = regexp.MustCompile("(?m)^## (\\d+\\. .*)\n\nColumns: (.*)\n\n```sql\n([^`]*);\n```$")

// Every query of the cookbook runs as the analyst and answers what it says.
func TestCookbook(t *testing.T) {
	b := setup(t)
	n := 0
	for _, variant := range []string{"erm", "md"} {
		for seed := range 3 {
			n++
			l := b.claim(b.plan(false, replicate(n, seed, variant))[0])
			err := b.finish(l, tracker.Outcome{
				Metrics: map[tracker.Metric]float64{
					{Name: "auroc", Split: "test"}: 0.7 + float64(n)/100, {Name: "auroc", Split: "test", Group: "pattern", Level: "base"}: 0.6,
					{Name: "patients", Split: "test", Group: "pattern", Level: "base"}: 2, {Name: "events", Split: "test", Group: "pattern", Level: "base"}: 1,
				},
				Points:      []tracker.Point{{Step: 1, Values: map[tracker.Metric]float64{{Name: "loss", Split: "train"}: 0.5}}},
				Diagnostics: []tracker.Diagnostic{{Name: "refuter/placebo_mask", Estimate: 1, Verdict: "fail", Detail: []byte(`{"reason":"leans on the mask"}`)}, {Name: "effective_size/labs", Estimate: 1, Verdict: "ok", Detail: []byte(`{"n": 10, "effective_n": 8}`)}},
				Predictions: []tracker.Prediction{{TestSet: "id", Unit: 1, Label: 1, Score: 0.8, Observed: 0.7, Pattern: 1, Weight: 1}, {TestSet: "id", Unit: 2, Label: 0, Score: 0.3, Observed: 0.2, Pattern: 1, Weight: 1}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile("../docs/cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := recipe.FindAllStringSubmatch(string(text), -1)
	if len(recipes) != 30 {
		t.Fatalf("found %d recipes", len(recipes))
	}
	analyst, err := b.store.ReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer analyst.Close(t.Context())
	answered := 0
	for _, r := range recipes {
		var columns []string
		rows := 0
		err := analyst.Query(t.Context(), r[3], func(answer pgx.Rows) error {
			for _, f := range answer.FieldDescriptions() {
				columns = append(columns, f.Name)
			}
			for answer.Next() {
				rows++
			}
			return answer.Err()
		})
		if err != nil {
			t.Errorf("%s: %v", r[1], err)
			continue
		}
		if got := strings.Join(columns, ", "); got != r[2] {
			t.Errorf("%s: columns %s, want %s", r[1], got, r[2])
		}
		if rows > 0 {
			answered++
		}
	}
	// So do those of the dashboard, without Grafana's own words.
	file, err := os.ReadFile("../docs/grafana/dashboards/deconfound.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct{ Targets []struct{ RawSQL string } }
	}
	if err := json.Unmarshal(file, &dashboard); err != nil || len(dashboard.Panels) < 6 {
		t.Fatalf("%d panels, %v", len(dashboard.Panels), err)
	}
	words := strings.NewReplacer("${sweep}", "s", "${metric}", "auroc", "$__timeFilter(ended_at)", "true")
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			if err := analyst.Query(t.Context(), words.Replace(target.RawSQL), func(pgx.Rows) error { return nil }); err != nil {
				t.Errorf("%s: %v", target.RawSQL, err)
			}
		}
	}
	// Nothing was searched, failed or is hidden here.
	if answered < 22 {
		t.Errorf("only %d of 30 queries found something", answered)
	}
}
