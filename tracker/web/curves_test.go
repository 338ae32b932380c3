package web

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// The curves are those of scikit-learn; see testdata/curves.py.
func TestCurves_Reference(t *testing.T) {
	text, err := os.ReadFile("testdata/curves.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Score, Label, Weight []float64
		FPR, TPR             []float64
		Precision, Recall    []float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 3 {
		t.Fatalf("got %d cases", len(cases))
	}
	near := func(i int, what string, got, want []float64) {
		if len(got) != len(want) {
			t.Fatalf("case %d: %s has %d points, want %d", i, what, len(got), len(want))
		}
		for k := range got {
			if !(math.Abs(got[k]-want[k]) <= 1e-12) {
				t.Errorf("case %d: %s[%d] is %v, want %v", i, what, k, got[k], want[k])
			}
		}
	}
	for i, c := range cases {
		var rows []ratedRow
		for k := range c.Score {
			rows = append(rows, ratedRow{c.Score[k], c.Label[k], c.Weight[k]})
		}
		x, y := rocCurve(rows)
		near(i, "1 − specificity", x, c.FPR)
		near(i, "sensitivity", y, c.TPR)
		x, y = precisionCurve(rows)
		near(i, "recall", x, c.Recall)
		near(i, "precision", y, c.Precision)
	}
	if x, _ := rocCurve([]ratedRow{{.5, 1, 1}, {.6, 1, 1}}); x != nil {
		t.Error("a curve of one class")
	}
}
