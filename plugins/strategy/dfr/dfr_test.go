package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// Groups from min_rows on are cut down to the smallest of these, smaller ones are
// taken whole, and no row is drawn twice.
func TestBalanced(t *testing.T) {
	rows := strategy.Held{}
	for g, n := range map[int32]int{0: 50, 4: 12, 7: 3, 9: 30} {
		for range n {
			rows.Groups, rows.Availability = append(rows.Groups, g), append(rows.Availability, 1)
		}
	}
	r := &rule{minRows: 10}
	drawn := map[int]int{}
	for refit := range 40 {
		count, seen := map[int32]int{}, map[int]bool{}
		for _, i := range r.balanced(rows, rng.Stream(1, "balance", refit)) {
			if seen[i] {
				t.Fatalf("row %d is drawn twice", i)
			}
			seen[i] = true
			drawn[i]++
			count[rows.Groups[i]]++
		}
		if count[0] != 12 || count[4] != 12 || count[9] != 12 || count[7] != 3 {
			t.Fatalf("got %v rows by group, want 12 of the large ones and all 3 of the small one", count)
		}
	}
	if len(drawn) != len(rows.Groups) {
		t.Errorf("40 draws leave %d rows out", len(rows.Groups)-len(drawn))
	}
	r.minRows = 1000
	if got := len(r.balanced(rows, rng.Stream(1, "balance"))); got != len(rows.Groups) {
		t.Errorf("where all groups are small %d of %d rows are drawn", got, len(rows.Groups))
	}
}

// At the solution no coefficient can be moved to advantage: the gradient of the loss
// is the penalty's slope where one is not 0, and smaller where it is.
func TestSolve_Optimal(t *testing.T) {
	for _, task := range []sdk.Task{{Kind: sdk.Binary}, {Kind: sdk.Multiclass, Classes: 3}} {
		const width, rows, regularisation = 20, 150, 0.03
		p := newProblem(task, width, regularisation)
		r := rng.Stream(2, "problem", string(task.Kind))
		for range rows {
			y := r.IntN(max(task.Classes, 2))
			p.labels = append(p.labels, y)
			for j := range width {
				v := r.NormFloat64()
				if j < 3 {
					v += float64(y)
				}
				p.x = append(p.x, v)
			}
		}
		at := p.solve(nil)
		gradient := make([]float64, len(at))
		p.loss(at, gradient)
		zeros := 0
		for i, g := range gradient {
			switch {
			case i >= width*task.Outputs():
				if math.Abs(g) > 1e-7 {
					t.Errorf("%s: gradient of an intercept is %v", task.Kind, g)
				}
			case at[i] == 0:
				zeros++
				if math.Abs(g) > regularisation+1e-7 {
					t.Errorf("%s: coefficient %d is 0 and its gradient %v", task.Kind, i, g)
				}
			case math.Abs(g+math.Copysign(regularisation, at[i])) > 1e-7:
				t.Errorf("%s: coefficient %d is %v and its gradient %v", task.Kind, i, at[i], g)
			}
		}
		if zeros == 0 || zeros == width*task.Outputs() {
			t.Errorf("%s: %d coefficients are 0", task.Kind, zeros)
		}
	}
}
