package causal

import (
	"testing"

	"github.com/deconfound/deconfound/host/scm"
	"github.com/deconfound/deconfound/host/stats"
)

// draw returns training and interventional rows of MM-CONF, and P(Y = 1 | do(x)) of
// the latter.
func draw(tb testing.TB, c scm.Config, seed uint64, rows, tests int) (train, test sample, truth []float64) {
	tb.Helper()
	m, err := scm.New(c, seed)
	if err != nil {
		tb.Fatal(err)
	}
	natural := m.Draw("train", rows)
	do := m.DrawDo("do", tests, natural.Availability)
	of := func(r *scm.Rows) sample {
		s := sample{availability: r.Availability, labels: r.Labels}
		x := make([]float64, simColumns)
		for i := range r.Len() {
			for k := range simModalities {
				r.Columns(x, i, k)
				s.x = append(s.x, narrow(x)...)
			}
		}
		return s
	}
	return of(natural), of(do), do.Truth()
}

// scenarioOf is a named scenario whose columns are rotated.
func scenarioOf(tb testing.TB, name string) scm.Config {
	tb.Helper()
	c, ok := scm.Scenario(name)
	if !ok {
		tb.Fatalf("no scenario %s", name)
	}
	c.Mixing = scm.Orthogonal
	return c
}

// against is the error of a design against P(Y = 1 | do(x)) on interventional rows
// of MM-CONF.
func (d design) against(tb testing.TB, c scm.Config, rows, epochs int, seed uint64) float64 {
	tb.Helper()
	e, _ := d.scored(tb, c, rows, epochs, seed)
	return e
}

// scored is that error, and the AUROC on the same rows.
func (d design) scored(tb testing.TB, c scm.Config, rows, epochs int, seed uint64) (e, auroc float64) {
	tb.Helper()
	train, test, truth := draw(tb, c, seed, rows, 3000)
	p := d.fit(tb, train, test, epochs, seed).Do
	return rootMeanSquare(p, truth), stats.AUROC(widen(p), widen(test.labels), nil)
}

// TestSimulation_splitAtTheHead is the split that needs nothing of the backbone, on
// confounding that a linear split sees (S2, S4) and on confounding that only the
// product of two columns shows, where the linear split must fail.
func TestSimulation_splitAtTheHead(t *testing.T) {
	if testing.Short() {
		t.Skip("trains fourteen small networks")
	}
	const rows, epochs = 10000, 12
	md := map[string]any{"mode": "enumerate"}
	head := func(form string) design {
		return design{columns: simColumns, missingness: md, branch: map[string]any{
			"split": "availability", "mechanism": "confounder", "at": "head", "form": form,
		}}
	}
	alone := design{columns: simColumns, missingness: md}
	run := func(d design, c scm.Config) float64 {
		return (d.against(t, c, rows, epochs, 1) + d.against(t, c, rows, epochs, 2)) / 2
	}
	product := scenarioOf(t, "S2")
	product.Link = scm.Product
	floor := run(alone, scenarioOf(t, "S0"))
	for _, test := range []struct {
		what    string
		got     float64
		low, up float64
	}{
		{"S2 linear", run(head("linear"), scenarioOf(t, "S2")), 0.04, floor + 0.01},
		{"S4 linear", run(head("linear"), scenarioOf(t, "S4")), 0.04, 0.1},
		{"S4 network", run(head("network"), scenarioOf(t, "S4")), 0.04, 0.09},
		{"product md", run(alone, product), 0.1, 0.2},
		{"product linear", run(head("linear"), product), 0.1, 0.2},
		{"product network", run(head("network"), product), 0.04, floor + 0.015},
		{"S0 network", run(head("network"), scenarioOf(t, "S0")), 0.04, floor + 0.01},
	} {
		t.Logf("%s: %.3f, the floor is %.3f", test.what, test.got, floor)
		if test.got < test.low || test.got > test.up {
			t.Errorf("%s: error %.3f, want %.3f to %.3f", test.what, test.got, test.low, test.up)
		}
	}
}
