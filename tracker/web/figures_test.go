package web_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
	"github.com/deconfound/deconfound/tracker/web"
)

// finding is a diagnostic without limits and p.
func finding(name string, estimate float64, detail string) tracker.Diagnostic {
	return tracker.Diagnostic{Name: name, Estimate: estimate, Lo: math.NaN(), Hi: math.NaN(), P: math.NaN(), Detail: []byte(detail)}
}

// Every diagnostic that has something to draw is drawn, with the digits of SQL.
func TestRun_Figures(t *testing.T) {
	s := open(t, web.Config{})
	run := s.plan("first", "concat")[0]
	lease, err := s.store.Claim(t.Context(), run.ID, run.Fence, s.worker)
	if err != nil {
		t.Fatal(err)
	}
	flip := finding("mask_flip/labs", 2.2468, `{"reason":"r"}`)
	flip.Lo, flip.Hi, flip.Verdict = 1.5004, 3.1, "warn"
	level := func(name, level string) tracker.Metric {
		return tracker.Metric{Name: name, Split: "test", Group: "pattern", Level: level}
	}
	var predictions []tracker.Prediction
	for i := range 120 {
		p := tracker.Prediction{TestSet: "id", Unit: int64(i), Class: 1, Label: float32(i % 2), Score: float32(i%7)/10 + .1*float32(i%2), Pattern: 1, Weight: 1}
		if i < 60 {
			p.Pattern = 3
		}
		predictions = append(predictions, p)
	}
	s.tx(func(ctx context.Context, tx pgx.Tx) error {
		return s.store.Finish(ctx, tx, lease, tracker.Outcome{
			Predictions: predictions,
			Metrics: map[tracker.Metric]float64{
				{Name: "auroc", Split: "test"}: 0.81, {Name: "auprc", Split: "test"}: 0.4321, level("n", "base+labs"): 60, level("n", "base"): 60, level("n", "none"): 2,
				level("events", "base+labs"): 30, level("events", "base"): 29, level("auroc", "base+labs"): 0.8765, level("auprc", "base"): 0.5678,
			},
			Diagnostics: []tracker.Diagnostic{
				finding("positivity/labs", 0.25, `{"histogram":{"with":[0,3,17],"without":[5,5,0]}}`),
				finding("balance/labs", 0.2346, `{"balance":[{"covariate":"age","smd":0.4567,"weighted_smd":-0.2346},{"covariate":"sex","smd":null,"weighted_smd":null}]}`),
				flip, finding("mask_flip/none", math.NaN(), `{}`), finding("mask_flip_auroc/labs", -0.0312, `{}`), finding("spoofing/claimed", 0.0456, `{}`),
				finding("branch_reliance", 0.7712, `{"causal_reliance":0.1234,"spurious_reliance":0.0371,"unadjusted_causal_reliance":0.2,"unadjusted_spurious_reliance":0.3}`),
				finding("interventional_gap", 0.0213, `{"by_pattern":{"base":0.0401,"base+labs":0.0025}}`),
				finding("missing_rate", 0.98, `{"rates":[0,0.5],"auroc":[0.8012,0.7512],"auroc_of_late_fusion":[0.7,null]}`),
				finding("pattern_shift", -0.01, `{"curve":[{"alpha":0,"auroc":0.8123},{"alpha":1,"auroc":0.7987}]}`),
				finding("probe/z_c:site", 0.3456, `{}`), finding("probe/h:site", 0.4567, `{}`),
				finding("e_value/labs", 2.3456, `{}`), finding("observed_e_value/labs", 1.2345, `{}`), finding("robustness_value/labs", 0.1111, `{}`), finding("rosenbaum_gamma/labs", 1.0654, `{}`),
				finding("austen/labs", 0.3, `{"curve":[{"alpha":0.01,"partial_r2":0.9012},{"alpha":0.1,"partial_r2":0.4012},{"alpha":0.5,"partial_r2":null}]}`),
			},
		})
	})
	const names = `insert into pattern_name select dataset_id, p, n from dataset, (values (1, 'base'), (3, 'base+labs')) x(p, n)`
	if _, err := s.store.Pool().Exec(t.Context(), names); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/run/%d", run.ID)
	page := text(s.get(path))
	contains(t, "the run", page,
		"Overlap: labs", "20 rows with it", "10 rows without", "0.5 0.150 0.500", // of the second third
		"Balance: labs", "age +0.457 -0.235", "sex n/a n/a",
		"labs warn 2.247 1.500 to 3.100", "labs -0.031", "claimed 0.046", "causal branch z_c 0.123 0.200", "biased branch z_b 0.037 0.300", "has 0.771 of it",
		"Interventional gap by pattern", "base 0.040", "base+ labs 0.003", "0.021 over all rows",
		"AUROC from 0.801 to 0.751", "0.5 0.751 n/a", "Another mix of patterns", "1 0.799",
		"Probes of h", "Probes of z_c", "site 0.346", "missing labs 2.346 n/a 1.234", "missing labs 0.111", "missing labs 1.065", "0.1 0.401",
		"base+ labs yes yes 60 30 0.876", "base yes no 60 29 n/a", "none no no 2 – n/a", "rows with it 120 0.984 60 0.492",
		"area under the curve 0.432, 120 patients", "Reliability of every pattern",
	)
	contains(t, "one pattern", text(s.get(path+"?pattern=base")), "area under the curve 0.568, 60 patients", "area under the curve not stored, 60 patients")

	// What is read from the details is what SQL reads there.
	analyst, err := s.store.ReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer analyst.Close(t.Context())
	const query = `select b ->> 'covariate', (b ->> 'smd')::float8, (b ->> 'weighted_smd')::float8 from diagnostics, jsonb_array_elements(detail -> 'balance') b
		where diagnostic = 'balance/labs' and b ->> 'smd' is not null`
	answer, err := shown.Ask(t.Context(), analyst, query, shown.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Rows) != 1 {
		t.Fatalf("got %v", answer.Rows)
	}
	for _, row := range answer.Rows {
		before, after := row[1].(shown.Number), row[2].(shown.Number)
		contains(t, "the run", page, fmt.Sprintf("%s %s %s", row[0], shown.Signed(float64(before)), shown.Signed(float64(after))))
	}
}
