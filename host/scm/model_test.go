package scm

import (
	"math"
	"testing"
)

func scenario(t testing.TB, name string) Config {
	t.Helper()
	c, ok := Scenario(name)
	if !ok {
		t.Fatalf("no scenario %s", name)
	}
	return c
}

func with(c Config, change func(*Config)) Config {
	change(&c)
	return c
}

func model(t testing.TB, c Config, seed uint64) *Model {
	t.Helper()
	m, err := New(c, seed)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// correlation of two columns of rows.
func correlation(n int, a, b func(i int) float64) float64 {
	var ma, mb, aa, bb, ab float64
	for i := range n {
		ma, mb = ma+a(i)/float64(n), mb+b(i)/float64(n)
	}
	for i := range n {
		x, y := a(i)-ma, b(i)-mb
		aa, bb, ab = aa+x*x, bb+y*y, ab+x*y
	}
	return ab / math.Sqrt(aa*bb)
}

func TestModel_hasTheConfiguredLaw(t *testing.T) {
	c := scenario(t, "S4")
	c.GammaX, c.GammaY = .5, .3
	m := model(t, c, 2)
	const n = 40000
	rows := m.Draw("rows", n)
	positive, kept := 0.0, 0.0
	for i, y := range rows.Labels {
		positive += float64(y) / n
		for k := range c.Modalities {
			kept += float64(rows.Availability[i]>>k&1) / float64(n*c.Modalities)
		}
	}
	if math.Abs(positive-c.Prevalence) > .01 {
		t.Errorf("prevalence is %.3f, want %.2f", positive, c.Prevalence)
	}
	// Rows without any modality are drawn again, so that fewer are missing.
	if missing := 1 - kept; missing < .22 || missing > .3 {
		t.Errorf("share of missing modalities is %.3f, want .24 to .29", missing)
	}
	column := func(j int) func(i int) float64 { return func(i int) float64 { return rows.causal(i)[j] } }
	for j := range 6 {
		for k := range j {
			if got, want := correlation(n, column(j), column(k)), m.covariance(j, k); math.Abs(got-want) > .025 {
				t.Errorf("covariance of causal columns %d and %d is %.3f, want %.3f", j, k, got, want)
			}
		}
		u := func(i int) float64 { return rows.U[i] }
		if got, want := correlation(n, column(j), u), c.Omega*m.moved[j]/math.Sqrt(1+c.Omega*c.Omega); math.Abs(got-want) > .025 {
			t.Errorf("correlation of causal column %d with U is %.3f, want %.3f", j, got, want)
		}
		spurious := func(i int) float64 { return rows.Spurious[i*len(m.sign)+j] }
		if got, want := correlation(n, spurious, u), c.Kappa*m.sign[j]; math.Abs(got-want) > .025 {
			t.Errorf("correlation of spurious column %d with U is %.3f, want %.3f", j, got, want)
		}
	}
	sum := 0.0
	for i := range m.weight {
		for j := range m.weight {
			sum += m.weight[i] * m.weight[j] * m.covariance(i, j)
		}
	}
	if math.Abs(sum-outcomeVariance) > 1e-9 {
		t.Errorf("variance of the causal score is %v, want %v", sum, outcomeVariance)
	}
}

// Each γ moves availability by its own variable and no other.
func TestModel_availabilityFollowsItsMechanism(t *testing.T) {
	const n = 30000
	for name, set := range map[string]func(*Config){
		"none": func(*Config) {},
		"u":    func(c *Config) { c.GammaU = 1.5 },
		"w":    func(c *Config) { c.GammaW = 1.5 },
		"x":    func(c *Config) { c.GammaX = 1.5 },
		"y":    func(c *Config) { c.GammaY = .75 },
	} {
		c := Default()
		c.Beta = 0 // so that the label does not carry U
		set(&c)
		rows := model(t, c, 1).Draw("rows", n)
		has := func(i int) float64 { return float64(rows.Availability[i] & 1) }
		for cause, of := range map[string]func(i int) float64{
			"u": func(i int) float64 { return rows.U[i] },
			"w": func(i int) float64 { return rows.W[i] },
			"y": func(i int) float64 { return float64(rows.Labels[i]) },
		} {
			got := math.Abs(correlation(n, has, of))
			if cause == name && got < .15 {
				t.Errorf("γ_%s: correlation of availability with %s is %.3f", name, cause, got)
			}
			if cause != name && name != "x" && got > .025 {
				t.Errorf("γ_%s: correlation of availability with %s is %.3f", name, cause, got)
			}
		}
		own := correlation(n, has, func(i int) float64 {
			return rows.causal(i)[0] + rows.causal(i)[1] + rows.causal(i)[2] + rows.causal(i)[3]
		})
		if name == "x" && own < .3 {
			t.Errorf("γ_x: correlation of availability with the modality's columns is %.3f", own)
		}
	}
}

func TestModel_interventionsBreakTheirArrows(t *testing.T) {
	const n = 30000
	m := model(t, scenario(t, "S4"), 1)
	train := m.Draw("train", n)
	do := m.DrawDo("do", n, train.Availability)
	flip := m.DrawFlip("flip", n)
	has := func(r *Rows) func(i int) float64 {
		return func(i int) float64 { return float64(r.Availability[i] & 1) }
	}
	u := func(r *Rows) func(i int) float64 { return func(i int) float64 { return r.U[i] } }
	spurious := func(r *Rows) func(i int) float64 {
		return func(i int) float64 { return m.sign[0] * r.Spurious[i*len(m.sign)] }
	}
	moved := func(r *Rows) func(i int) float64 {
		return func(i int) float64 { return m.moved[0] * r.causal(i)[0] }
	}
	for _, test := range []struct {
		what      string
		of        func(r *Rows) func(i int) float64
		do, flips bool
	}{{"availability", has, true, true}, {"spurious", spurious, true, true}, {"causal", moved, true, false}} {
		natural := correlation(n, test.of(train), u(train))
		if natural < .2 {
			t.Errorf("%s columns go with U by %.3f in training rows", test.what, natural)
		}
		if got := correlation(n, test.of(do), u(do)); math.Abs(got) > .025 {
			t.Errorf("under do, %s columns go with U by %.3f", test.what, got)
		}
		want := natural
		if test.flips {
			want = -natural
		}
		if got := correlation(n, test.of(flip), u(flip)); math.Abs(got-want) > .03 {
			t.Errorf("flipped, %s columns go with U by %.3f, want %.3f", test.what, got, want)
		}
	}
	other := func(r *Rows) func(i int) float64 {
		return func(i int) float64 { return float64(r.Availability[i] >> 1 & 1) }
	}
	if got, want := correlation(n, has(do), other(do)), correlation(n, has(train), other(train)); math.Abs(got-want) > .025 {
		t.Errorf("under do, two modalities go together by %.3f, in training rows by %.3f", got, want)
	}
}

// Datasets of one seed that differ in a knob share every draw the knob does not
// touch, which is what makes scenarios matched.
func TestModel_seedsAreMatchedAcrossKnobs(t *testing.T) {
	a, b := model(t, scenario(t, "S0"), 7).Draw("train", 50), model(t, scenario(t, "S2"), 7).Draw("train", 50)
	for i := range a.Causal {
		if a.Causal[i] != b.Causal[i] {
			t.Fatalf("causal value %d is %v in S0, %v in S2", i, a.Causal[i], b.Causal[i])
		}
	}
	c := model(t, scenario(t, "S0"), 8).Draw("train", 50)
	if a.Causal[0] == c.Causal[0] {
		t.Error("two seeds draw the same value")
	}
}

// Under the product link no spurious column goes with U, and products of pairs do.
func TestModel_productHidesTheConfounder(t *testing.T) {
	const n = 30000
	c := scenario(t, "S2")
	c.Link = Product
	m := model(t, c, 1)
	for name, r := range map[string]*Rows{"train": m.Draw("train", n), "flip": m.DrawFlip("flip", n)} {
		u := func(i int) float64 { return r.U[i] }
		column := func(j int) func(i int) float64 {
			return func(i int) float64 { return r.Spurious[i*len(m.sign)+j] }
		}
		for j := range m.sign {
			if got := correlation(n, column(j), u); math.Abs(got) > .02 {
				t.Errorf("%s: column %d goes with U by %.3f", name, j, got)
			}
		}
		signed := func(i int) float64 { return math.Copysign(1, column(0)(i)) * column(1)(i) }
		want := c.Kappa * m.sign[1]
		if name == "flip" {
			want = -want
		}
		if got := correlation(n, signed, u); math.Abs(got-want) > .02 {
			t.Errorf("%s: the product goes with U by %.3f, want %.3f", name, got, want)
		}
	}
}

func TestRows_ratesAndSwaps(t *testing.T) {
	m := model(t, scenario(t, "S2"), 1)
	rows := m.Draw("test", 20000)
	for _, rate := range []float64{.1, .7} {
		masked := rows.AtRate("rate", rate)
		full := 0.0
		for _, a := range masked.Availability {
			full += indicator(a == 7) / 20000
		}
		// Given that one is there at least.
		if want := (1 - rate) * (1 - rate) * (1 - rate) / (1 - rate*rate*rate); math.Abs(full-want) > .015 {
			t.Errorf("rate %v: %.3f of rows have everything, want %.3f", rate, full, want)
		}
	}
	rows.Availability[0], rows.Availability[1] = 0b001, 0b110
	swapped := rows.Swapped()
	if swapped.Availability[0] != 0b100 || swapped.Availability[1] != 0b011 {
		t.Errorf("swapped to %03b and %03b", swapped.Availability[0], swapped.Availability[1])
	}
}

// A rotation keeps lengths and angles.
func TestModel_mixingIsOrthogonal(t *testing.T) {
	c := scenario(t, "S2")
	c.Mixing = Orthogonal
	m := model(t, c, 4)
	n := c.Columns()
	for k := range c.Modalities {
		q := m.mixing[k][0]
		for i := range n {
			for j := range i + 1 {
				if got := dot(q[i*n:(i+1)*n], q[j*n:(j+1)*n]); math.Abs(got-indicator(i == j)) > 1e-12 {
					t.Fatalf("rows %d and %d of rotation %d have product %v", i, j, k, got)
				}
			}
		}
	}
}
