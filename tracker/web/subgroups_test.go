package web_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
	"github.com/deconfound/deconfound/tracker/web"
)

// query answers SQL as the analyst reads it.
func (s *site) query(query string) [][]any {
	s.Helper()
	analyst, err := s.store.ReadOnly(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	defer analyst.Close(s.Context())
	answer, err := shown.Ask(s.Context(), analyst, query, shown.Limit{})
	if err != nil {
		s.Fatal(err)
	}
	return answer.Rows
}

// The map of subgroups has the digits of the view, and the audit of the selection
// those that the program gives.
func TestComparison_Subgroups(t *testing.T) {
	var asked web.Question
	s := open(t, web.Config{
		Compare: func(context.Context, web.Question) (web.Comparison, error) { return web.Comparison{}, nil },
		Selection: func(_ context.Context, q web.Question) (web.Selection, bool, error) {
			asked = q
			return web.Selection{Text: "which trial each rule chooses", Means: web.AuditTable{Title: "Mean", Head: []string{"rule", "auroc"}, Words: 1, Rows: [][]string{{"val/auroc (used)", "0.812"}}}, Notes: []string{"one training each"}}, true, nil
		},
	})
	for i, run := range s.plan("first", "concat") {
		s.finish(run, 0.81+0.0123*float64(i))
	}
	for _, sql := range []string{
		`insert into metric (name, split, grp, lvl, goal) values ('auroc', 'test', 'sex', 'f', 'maximize'), ('auroc', 'test', 'sex', 'm', 'maximize')`,
		`insert into result select run_id, metric_id, 0.7 + run_id % 5 / 37.0 + metric_id % 3 / 41.0 from run, metric where grp = 'sex'`,
	} {
		if _, err := s.store.Pool().Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	page := text(s.get(fmt.Sprintf("/sweep/%d/compare", s.sweep.ID)))
	rows := s.query(`select lvl, mean, lo, hi from paired where grp = 'sex' and metric = 'auroc' and split = 'test'`)
	if len(rows) != 2 {
		t.Fatalf("got %v", rows)
	}
	for _, row := range rows {
		v := make([]float64, 3)
		for i := range v {
			v[i] = float64(row[i+1].(shown.Number))
		}
		contains(t, "the map", page, fmt.Sprintf("sex %s %s %s", row[0], shown.Signed(v[0]), shown.Bounds(v[1], v[2])))
	}
	contains(t, "the selection", page, "How trials were selected", "which trial each rule chooses", "val/auroc (used) 0.812", "one training each")
	if asked.Metric != "auroc" || asked.Sweep.ID != s.sweep.ID {
		t.Errorf("asked %+v", asked)
	}
}

// Runs that were imported have pages too, with what there is of them.
func TestPages_Imported(t *testing.T) {
	s := open(t, web.Config{
		Compare:   func(context.Context, web.Question) (web.Comparison, error) { panic("imported runs cannot be compared") },
		Selection: func(context.Context, web.Question) (web.Selection, bool, error) { panic("nothing was selected") },
		Audit:     func(context.Context, string) (web.DatasetAudit, bool, error) { return web.DatasetAudit{}, false, nil },
	})
	began := time.Now().Add(-time.Hour)
	var runs []tracker.ImportedRun
	for i := range 7 {
		variant, seed := "erm", i/2
		if i%2 == 1 {
			variant = "md"
		}
		h := sha256.Sum256([]byte{byte(i)})
		run := tracker.ImportedRun{
			PlannedRun: tracker.PlannedRun{
				Hash: h[:], Dataset: "d", DatasetHash: "imported", Backbone: "concat", Variant: variant, Phase: tracker.Replicate, Replicate: &seed,
				SplitSeed: int64(seed), Epochs: 2, Spec: []byte(`{"lr": "0.1"}`),
			},
			Started: began, Ended: began.Add(time.Minute),
			Points:  []tracker.Point{{Step: 1, Values: map[tracker.Metric]float64{{Name: "loss", Split: "train"}: 0.5}}},
			Metrics: map[tracker.Metric]float64{{Name: "auroc", Split: "test"}: 0.8 + float64(i*i)/97},
		}
		if i == 6 {
			run.Failed, run.Message = true, "out of memory"
		}
		runs = append(runs, run)
	}
	sweep, err := s.store.ImportSweep(t.Context(), "theirs", "mlflow", "erm", runs)
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("/sweep/%d", sweep.ID)
	contains(t, "the sweep", text(s.get(at)), "theirs", "7 of 7 runs ended", "auroc on test", "out of memory")
	page := text(s.get(at + "/compare"))
	rows := s.query(`select mean, lo, hi, n from paired where sweep = 'theirs' and metric = 'auroc' and split = 'test' and grp = ''`)
	if len(rows) != 1 {
		t.Fatalf("got %v", rows)
	}
	row := rows[0]
	contains(t, "the comparison", page, "These runs were imported", fmt.Sprintf("concat md %s %s %s %v d", shown.Cell(row[0]), shown.Cell(row[1]), shown.Cell(row[2]), row[3]))
	for _, r := range s.query(`select run_id from runs where sweep = 'theirs'`) {
		contains(t, "a run", text(s.get(fmt.Sprintf("/run/%v", r[0]))), "concat /", "imported", "lr")
	}
	contains(t, "the dataset", text(s.get(at+"/data/d")), "No audit of this dataset is stored")

	for i := range runs {
		runs[i].Metrics = map[tracker.Metric]float64{{Name: "their_metric"}: float64(i*i) / 7}
	}
	if sweep, err = s.store.ImportSweep(t.Context(), "plain", "mlflow", "erm", runs); err != nil {
		t.Fatal(err)
	}
	contains(t, "a metric without a split", text(s.get(fmt.Sprintf("/sweep/%d", sweep.ID))), "their_metric Backbone", shown.Decimal((0+4+16)/7./3), "concat erm baseline")
	contains(t, "its comparison", text(s.get(fmt.Sprintf("/sweep/%d/compare", sweep.ID))), "concat md "+shown.Cell(shown.Number((1+9+25-0-4-16)/7./3)))
	if sweep, err = s.store.ImportSweep(t.Context(), "bare", "mlflow", "", runs[:2]); err != nil {
		t.Fatal(err)
	}
	page = text(s.get(fmt.Sprintf("/sweep/%d/compare", sweep.ID)))
	contains(t, "the comparison without a baseline", page, "the import named no baseline")
	if strings.Contains(page, "being computed") {
		t.Error("waits for a comparison that nobody makes")
	}
}
