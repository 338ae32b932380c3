package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

// audited runs data audit on the bundled cohort in a home of its own.
func audited(t *testing.T, flags ...string) string {
	t.Helper()
	t.Setenv("DECONFOUND_HOME", t.TempDir())
	var out, errs bytes.Buffer
	args := append([]string{"data", "audit", "nafld", "--resamples", "20"}, flags...)
	if code := execute(t.Context(), args, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	return out.String()
}

// The odds ratios of the bundled cohort, end to end, against statsmodels on its
// table (testdata/odds.py): the loader, the covariates and the regression agree.
func TestDataAudit_OddsRatios(t *testing.T) {
	var page struct {
		Rows        int
		Missingness struct {
			Blocks []struct {
				Name            string
				Crude, Adjusted struct{ Estimate, Low, High float64 }
			}
		}
	}
	text := audited(t, "--json")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "odds_ratio_missing_given_covariates", "adjusted"), "odds_ratio_missing", "crude")
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/odds.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct{ Crude, Adjusted [3]float64 }
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, b := range page.Missingness.Blocks {
		w, ok := want[b.Name]
		if !ok {
			continue
		}
		got := [][3]float64{{b.Crude.Estimate, b.Crude.Low, b.Crude.High}, {b.Adjusted.Estimate, b.Adjusted.Low, b.Adjusted.High}}
		for i, w := range [][3]float64{w.Crude, w.Adjusted} {
			for j := range w {
				// The covariates are kept in single precision.
				if !(math.Abs(got[i][j]-w[j]) < 1e-5) {
					t.Errorf("%s: got %v, want %v", b.Name, got[i], w)
				}
			}
		}
		compared++
	}
	if page.Rows != 10652 || compared != len(want) {
		t.Errorf("compared %d of %d blocks in %d rows", compared, len(want), page.Rows)
	}
}

func TestDataAudit_Page(t *testing.T) {
	page := audited(t)
	for _, want := range []string{
		"Little's test: missing completely at random is rejected",
		"Who is measured, given age, male, nafld_case, hx_htn, hx_dyslipidemia, hx_diabetes",
		"The direction turns: the crude figure is about who is measured.",
		"Can be adjusted: ", "Can be adjusted in part: ", "Cannot be adjusted: ",
		"cannot be told from data",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if again := audited(t); again != page {
		t.Error("a second page differs from the first")
	}
}
