package diagnose

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

func TestLinearProbe_Reference(t *testing.T) {
	c := fixture[struct {
		H, Target values
		Width     int
		Held      []bool
		AUROC     float64
	}](t, "probe")
	got := LinearProbe(c.H, c.Width, c.Target, c.Held, 20, rng.Stream(1, "probe"))
	near(t, "auroc", got.AUROC, c.AUROC)
	near(t, "selectivity", got.Selectivity, got.AUROC-got.Chance)
	if math.Abs(got.Chance-.5) > .1 {
		t.Errorf("shuffled targets: got %v, want about .5", got.Chance)
	}
	if f := Readable("probe", c.H, c.Width, c.Target, c.Held, 20, rng.Stream(1, "probe")); f.Verdict != Fail || !(f.Low < f.Estimate && f.Estimate < f.High) {
		t.Errorf("a target that is there: got %+v", f)
	}
	if f := Readable("probe", c.H, c.Width, make([]float64, len(c.Target)), c.Held, 3, nil); f.Verdict != None {
		t.Errorf("a target that does not vary: got %+v", f)
	}
}

// Whether two signs agree is in the representation, but not linearly.
func TestNetworkProbe_FindsWhatIsNotLinear(t *testing.T) {
	r := rng.Stream(5, "xor")
	var h, target []float64
	var held []bool
	for i := range 900 {
		a, b := r.NormFloat64(), r.NormFloat64()
		y := 0.
		if a*b > 0 {
			y = 1
		}
		h, target, held = append(h, a, b), append(target, y), append(held, i%3 == 0)
	}
	if p := LinearProbe(h, 2, target, held, 3, r); math.Abs(p.AUROC-.5) > .1 {
		t.Errorf("a linear probe: got %+v", p)
	}
	p := NetworkProbe(h, 2, target, held, 3, rng.Stream(6, "probe"))
	if p.AUROC < .95 || math.Abs(p.Chance-.5) > .1 || p.Train != 600 || p.Test != 300 {
		t.Errorf("a network: got %+v", p)
	}
	if again := NetworkProbe(h, 2, target, held, 3, rng.Stream(6, "probe")); again != p {
		t.Errorf("got %+v and then %+v", p, again)
	}
	nan(t, "one class", NetworkProbe(h, 2, make([]float64, 900), held, 3, r).AUROC)
}

func TestHoldOut_WholePatients(t *testing.T) {
	var patients []int64
	for i := range int64(1000) {
		patients = append(patients, i/2)
	}
	held, n := HoldOut(patients, .3, rng.Stream(1, "held")), 0
	for i := range held {
		if held[i] {
			n++
		}
		if held[i] != held[i^1] {
			t.Fatalf("patient %d is in both parts", patients[i])
		}
	}
	if n != 300 {
		t.Errorf("got %d rows held out, want 300", n)
	}
}
