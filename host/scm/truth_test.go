package scm

import (
	"fmt"
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// TestTruth_monteCarlo draws the missing columns and the outcome of a row by
// equations (1) and (3) alone, without a regression: factors and the confounder
// are drawn from their prior, and weighted by how likely they make the observed
// columns.
func TestTruth_monteCarlo(t *testing.T) {
	for name, c := range map[string]Config{
		"S2":        scenario(t, "S2"),
		"S4":        scenario(t, "S4"),
		"beta_w":    with(scenario(t, "S5"), func(c *Config) { c.BetaW = 1 }),
		"nonlinear": with(scenario(t, "S4"), func(c *Config) { c.Outcome = Nonlinear }),
		"four nonlinear": with(scenario(t, "S4"), func(c *Config) {
			c.Outcome, c.Modalities, c.Causal = Nonlinear, 4, 2
		}),
	} {
		t.Run(name, func(t *testing.T) {
			m := model(t, c, 3)
			rows := m.Draw("rows", 1)
			for pattern := uint64(1); pattern < 1<<c.Modalities; pattern++ {
				rows.Availability[0] = pattern
				want, se := simulate(m, rows, rng.Stream(pattern, name))
				got := rows.Truth()[0]
				if math.Abs(got-want) > 4*se+1e-4 {
					t.Errorf("pattern %b: p* is %.4f, simulated %.4f ± %.4f", pattern, got, want, se)
				}
			}
		})
	}
}

// simulate returns the weighted mean of P(Y = 1 | X, U, W) over draws given the
// observed columns of the first row, and its standard error.
func simulate(m *Model, rows *Rows, r interface{ NormFloat64() float64 }) (mean, se float64) {
	const draws = 60000
	x, pattern := rows.causal(0), rows.Availability[0]
	norm := math.Sqrt(1 + m.Omega*m.Omega)
	complete := make([]float64, len(x))
	var total, sum, squares, cross, totalSquares float64
	for range draws {
		f0, f1, u := r.NormFloat64(), r.NormFloat64(), r.NormFloat64()
		exponent := 0.0
		for j, l := range m.loading {
			center := l[0]*f0 + l[1]*f1 + m.Omega*m.moved[j]*u
			if pattern>>(j/m.Causal)&1 == 1 {
				complete[j] = x[j]
				exponent -= (x[j]*norm - center) * (x[j]*norm - center) // / (2 · ½)
			} else {
				complete[j] = (center + math.Sqrt(.5)*r.NormFloat64()) / norm
			}
		}
		// Under do, the outcome has a confounder of its own.
		p := sigmoid(m.b + m.effect(complete) + m.Beta*r.NormFloat64() + m.BetaW*r.NormFloat64())
		w := math.Exp(exponent)
		total, sum = total+w, sum+w*p
		totalSquares, cross, squares = totalSquares+w*w, cross+w*w*p, squares+w*w*p*p
	}
	mean = sum / total
	return mean, math.Sqrt(squares-2*mean*cross+mean*mean*totalSquares) / total
}

// TestTruth_isTheMeanOfLabelsUnderDo holds p* against labels of interventional
// rows: what is left must not go with p*, with a column or with a pattern.
func TestTruth_isTheMeanOfLabelsUnderDo(t *testing.T) {
	m := model(t, scenario(t, "S4"), 5)
	do := m.DrawDo("do", 40000, m.Draw("train", 5000).Availability)
	truth := do.Truth()
	check := func(what string, of func(i int) float64) {
		t.Helper()
		sum, variance := 0.0, 0.0
		for i, p := range truth {
			sum += of(i) * (float64(do.Labels[i]) - p)
			variance += of(i) * of(i) * p * (1 - p)
		}
		if z := sum / math.Sqrt(variance); math.Abs(z) > 4 {
			t.Errorf("labels less p* go with %s: z = %.1f", what, z)
		}
	}
	check("everything", func(int) float64 { return 1 })
	check("p*", func(i int) float64 { return truth[i] })
	for j := range m.weight {
		check(fmt.Sprint("column ", j), func(i int) float64 { return do.causal(i)[j] * float64(do.Availability[i]>>(j/m.Causal)&1) })
	}
	check("a spurious column", func(i int) float64 { return do.Spurious[i*len(m.sign)] })
	for pattern := uint64(1); pattern < 8; pattern++ {
		check(fmt.Sprintf("pattern %b", pattern), func(i int) float64 { return indicator(do.Availability[i] == pattern) })
	}
}

// No predictor has a lower log-loss under do than p*: here, p* of the complete
// rows' neighbour and p* bent a little.
func TestTruth_isTheBestPredictionUnderDo(t *testing.T) {
	m := model(t, scenario(t, "S3"), 1)
	do := m.DrawDo("do", 40000, m.Draw("train", 5000).Availability)
	truth := do.Truth()
	loss := func(bend float64) float64 {
		sum := 0.0
		for i, p := range truth {
			q := sigmoid(bend + math.Log(p/(1-p)))
			sum -= float64(do.Labels[i])*math.Log(q) + float64(1-do.Labels[i])*math.Log(1-q)
		}
		return sum
	}
	if best := loss(0); best > loss(.1) || best > loss(-.1) {
		t.Errorf("log-loss %.1f of p*, %.1f and %.1f of p* bent", best, loss(.1), loss(-.1))
	}
}
