package causal

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// dependent draws pairs with b = strength*f(c) + noise.
func dependent(rows, width int, strength float64, seed uint64) (c, b []float32) {
	r := rng.Stream(seed, "pairs")
	c = normals(r, rows*width)
	b = make([]float32, rows*width)
	for i := range b {
		b[i] = float32(strength*math.Sin(2*float64(c[i])) + math.Sqrt(1-strength*strength)*r.NormFloat64())
	}
	return c, b
}

func testPenalties(t *testing.T, width int) map[string]penalty {
	t.Helper()
	cfg := testConfig(t, "db_drop", tasks["binary"])
	cfg.Width = width
	v, err := newVCLUB(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]penalty{"hsic": newHSIC(), "vclub": v, "orthogonal": orthogonality{}}
}

// Penalties are higher for dependent pairs, and moving against the gradient
// lowers them.
func TestPenalties_measureDependence(t *testing.T) {
	const rows, width = 200, 3
	share, _ := shares(nil, rows)
	value := func(p penalty, strength float64) float64 {
		c, b := dependent(rows, width, strength, 1)
		dc, db := make([]float32, len(c)), make([]float32, len(b))
		v := 0.0
		for range 100 { // vclub learns q first
			clear(dc)
			clear(db)
			v = p.apply(c, b, width, share, 1, dc, db)
		}
		const rate = 2
		for i := range c {
			c[i] -= rate * dc[i]
			b[i] -= rate * db[i]
		}
		var after float64
		if q, ok := p.(*vclub); ok {
			after = q.bound(c, b, width, share, 0, dc, db)
		} else {
			after = p.apply(c, b, width, share, 0, dc, db)
		}
		if after >= v {
			t.Errorf("%T: %v before and %v after a step", p, v, after)
		}
		return v
	}
	for name, p := range testPenalties(t, width) {
		if name == "orthogonal" {
			continue // does not see a dependence without correlation
		}
		low := value(p, 0)
		high := value(testPenalties(t, width)[name], 0.95)
		if high < low+0.1 {
			t.Errorf("%s: %v for dependent, %v for independent pairs", name, high, low)
		}
	}
}

func TestHSIC_identicalIsOneAndScaleFree(t *testing.T) {
	const rows, width = 50, 4
	c, b := dependent(rows, width, 0.6, 2)
	share, _ := shares(nil, rows)
	zero := make([]float32, rows*width)
	near(t, "hsic of z with itself", newHSIC().apply(c, c, width, share, 0, zero, zero), 1, 1e-6)
	scaled := make([]float32, len(b))
	for i, v := range b {
		scaled[i] = 100*v + 7
	}
	near(t, "hsic after scaling", newHSIC().apply(c, scaled, width, share, 0, zero, zero),
		newHSIC().apply(c, b, width, share, 0, zero, zero), 1e-4)
}

func TestPenalties_degenerateBatches(t *testing.T) {
	for name, p := range testPenalties(t, 2) {
		for what, b := range map[string]struct{ c, b []float32 }{
			"one row":   {[]float32{1, 2}, []float32{3, 4}},
			"same rows": {make([]float32, 8), make([]float32, 8)},
			"constant":  {[]float32{1, 2, 3, 4, 5, 6, 7, 8}, []float32{1, 1, 1, 1, 1, 1, 1, 1}},
		} {
			share, _ := shares(nil, len(b.c)/2)
			dc, db := make([]float32, len(b.c)), make([]float32, len(b.c))
			v := p.apply(b.c, b.b, 2, share, 1, dc, db)
			for _, x := range append(append([]float32{float32(v)}, dc...), db...) {
				if x != x || math.IsInf(float64(x), 0) {
					t.Errorf("%s of %s: %v", name, what, x)
				}
			}
		}
	}
}

// fit climbs the likelihood it reports: its gradient by central differences.
func TestVCLUB_fitGradient(t *testing.T) {
	cfg := testConfig(t, "db_drop", tasks["binary"])
	cfg.Width = 3
	v, err := newVCLUB(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if v.group.optimizer, err = nn.NewOptimizer(v.group.params.All(), nn.OptimizerConfig{Name: "sgd", LearningRate: 1e-12}); err != nil {
		t.Fatal(err)
	}
	c, b := dependent(6, 3, 0.5, 5)
	share := []float64{0.1, 0.3, 0, 0.2, 0.3, 0.1}
	v.fit(c, b, 3, share)
	for _, p := range v.group.params.All() {
		got := append([]float32(nil), p.Grad...)
		want := make([]float32, len(got))
		const epsilon = 1e-3
		for i, at := range p.Value {
			p.Value[i] = at + epsilon
			up := v.fit(c, b, 3, share)
			p.Value[i] = at - epsilon
			down := v.fit(c, b, 3, share)
			p.Value[i] = at
			want[i] = float32(-(up - down) / (2 * epsilon))
		}
		compare(t, p.Name, got, want, 5e-3)
	}
}

func TestMedian(t *testing.T) {
	r := rng.Stream(4, "median")
	for n := 1; n < 40; n++ {
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(r.IntN(10))
		}
		got := median(append([]float64(nil), values...))
		below, above := 0, 0
		for _, v := range values {
			if v < got {
				below++
			}
			if v > got {
				above++
			}
		}
		if below > n/2 || above >= n-n/2 {
			t.Errorf("median of %v is not %v", values, got)
		}
	}
}

// q takes its own steps first and is then used as it is.
func TestVCLUB_innerSteps(t *testing.T) {
	cfg := testConfig(t, "db_drop", tasks["binary"])
	cfg.Width, cfg.DualBranch.InnerSteps = 3, 4
	build := func() *vclub {
		v, err := newVCLUB(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c, b := dependent(20, 3, 0.5, 5)
	share, _ := shares(nil, 20)
	gradients := func() (dc, db []float32) { return make([]float32, 60), make([]float32, 60) }
	got, want := build(), build()
	dc, db := gradients()
	value := got.apply(c, b, 3, share, 1, dc, db)
	before := want.fit(c, b, 3, share)
	for range 3 {
		want.fit(c, b, 3, share)
	}
	ec, eb := gradients()
	near(t, "bound", value, want.bound(c, b, 3, share, 1, ec, eb), 0)
	compare(t, "dc", dc, ec, 0)
	compare(t, "db", db, eb, 0)
	for i, p := range got.group.params.All() {
		compare(t, p.Name, p.Value, want.group.params.All()[i].Value, 0)
	}
	if after := want.fit(c, b, 3, share); after <= before {
		t.Errorf("the likelihood of q went from %v to %v", before, after)
	}
}
