package sweeps

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDistribution_At(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low := rapid.Float64Range(1e-6, 10).Draw(t, "min")
		d := Distribution{
			Kind: rapid.SampledFrom([]string{"uniform", "log_uniform"}).Draw(t, "kind"),
			Min:  low, Max: low * rapid.Float64Range(1.5, 1e4).Draw(t, "factor"),
		}
		if rapid.Bool().Draw(t, "quantised") {
			d.Step = (d.Max - d.Min) / rapid.Float64Range(1, 50).Draw(t, "steps")
		}
		u := rapid.Float64Range(0, 1-1e-16).Draw(t, "u")
		x, ok := toFloat(d.At(u))
		if !ok || x < d.Min*(1-1e-11) || x > d.Max*(1+1e-11) {
			t.Fatalf("got %v outside [%v, %v]", d.At(u), d.Min, d.Max)
		}
	})
	d := Distribution{Kind: "int_uniform", Min: 3, Max: 9, Step: 3}
	if diff := cmp.Diff([]any{int64(3), int64(6), int64(9)}, d.All()); diff != "" {
		t.Error(diff)
	}
	if got := []any{d.At(0), d.At(0.34), d.At(0.999)}; got[0] != int64(3) || got[1] != int64(6) || got[2] != int64(9) {
		t.Errorf("got %v", got)
	}
}

// Draws are uniform and independent of each other, roughly.
func TestDraw(t *testing.T) {
	sum, n := 0.0, 2000
	for i := range n {
		u := draw(1, Cell{"d", "b", "v"}, i, "p")
		if u < 0 || u >= 1 {
			t.Fatalf("got %v", u)
		}
		sum += u
	}
	if mean := sum / float64(n); math.Abs(mean-0.5) > 0.02 {
		t.Errorf("got mean %v, want 0.5", mean)
	}
	if draw(1, Cell{"ab", "c", "v"}, 0, "p") == draw(1, Cell{"a", "bc", "v"}, 0, "p") {
		t.Error("two cells share their draws")
	}
}
