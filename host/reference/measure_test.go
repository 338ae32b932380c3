//go:build measure

package reference

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Every cohort, test set and seed of the shipped sweep, against the figures that
// were published with the cohorts: the network of one hidden layer sets the bar,
// since it is the same kind of model. The table is printed with -v.
func TestMeasure(t *testing.T) {
	needPostgreSQL(t)
	const seeds = 5
	p := install(t)
	p.addPublic(t, public...)
	found := p.holdout(t, seeds, append([]string{"nafld"}, public...)...)
	for name := range targets {
		for test, values := range p.site(t, seeds, name) {
			found[name][test] = values
		}
	}
	t.Logf("%-14s %5s %5s %5s  %5s  %6s %6s", "", "lr", "gb", "mlp", "here", "- mlp", "- best")
	for _, want := range readPublished(t) {
		values := found[want.dataset][want.test]
		if len(values) != seeds {
			t.Errorf("%s: got %d runs with an AUROC on %s, want %d", want.dataset, len(values), want.test, seeds)
			continue
		}
		got := mean(values)
		best := max(want.lr, want.gb, want.mlp)
		t.Logf("%-8s %-5s %.3f %.3f %.3f  %.3f  %+.3f %+.3f", want.dataset, want.test, want.lr, want.gb, want.mlp, got, got-want.mlp, got-best)
		if !(got >= want.mlp-margin) {
			t.Errorf("%s: got a mean AUROC of %.4f on %s, want at least %.4f\nby seed: %v", want.dataset, got, want.test, want.mlp-margin, values)
		}
	}
}

// published is a row of testdata/published.csv: mean AUROC of five seeds of the
// models of testdata/baselines.py, computed by others (scikit-learn 1.2.1).
type published struct {
	dataset, test string
	lr, gb, mlp   float64
}

func readPublished(t *testing.T) []published {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "published.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) {
			t.Fatalf("published.csv: %q is not a number", text)
		}
		return v
	}
	var out []published
	for _, r := range records[1:] {
		out = append(out, published{r[0], r[1], number(r[2]), number(r[3]), number(r[4])})
	}
	return out
}
