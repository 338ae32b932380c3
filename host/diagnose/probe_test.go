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
