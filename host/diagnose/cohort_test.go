package diagnose

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// mixedCohort has a block that everybody has and six that are missing: by
// chance, by the covariate alone, by the label, by a covariate so strongly that
// few are comparable, by a covariate alone, and nearly always.
func mixedCohort(n int) Cohort {
	r := rng.Stream(11, "cohort")
	c := Cohort{
		Blocks: []string{"base", "chance", "covariate", "label", "covariate2", "men", "rare"}, Covariates: []string{"age", "sex"},
		Patients: clusters(n), Width: 2,
	}
	for i := range n {
		age, sex := r.NormFloat64(), float64(r.IntN(2))
		y := 0.
		if r.Float64() < sigmoid(age-1) {
			y = 1
		}
		mask := uint64(1)
		for b, z := range []float64{1, .8*age + 1, .5 + 2*y, 6 * age} {
			if r.Float64() < sigmoid(z) {
				mask |= 2 << b
			}
		}
		if sex == 1 {
			mask |= 1 << 5
		}
		if i < 3 {
			mask |= 1 << 6
		}
		value := math.NaN()
		if mask>>2&1 == 1 {
			value = age + r.NormFloat64()
		}
		c.Availability, c.Events = append(c.Availability, mask), append(c.Events, y)
		c.W, c.Values = append(c.W, age, sex), append(c.Values, age, value)
	}
	return c
}

func TestAudit_TellsTheMechanismsApart(t *testing.T) {
	c := mixedCohort(3000)
	m := Audit(c, AuditOptions{Seed: 1, Resamples: 200})
	if m.Label.Verdict != Warn || !(m.Label.Low > .55) || m.Random.Verdict != Warn || m.P > .01 {
		t.Errorf("got %+v, %+v", m.Label, m.Random)
	}
	want := []struct {
		name       string
		propensity Verdict // do the covariates tell who has it?
		adjustable Verdict
		turns      bool // the crude odds ratio leaves out 1
	}{
		{"chance", OK, OK, false},
		{"covariate", Warn, OK, true},
		{"label", Warn, Warn, true},
		{"covariate2", Warn, Fail, true},
		{"men", Warn, Fail, false},
		{"rare", None, None, false},
	}
	if len(m.Blocks) != len(want) {
		t.Fatalf("got %d blocks, want %d", len(m.Blocks), len(want))
	}
	for i, w := range want {
		b := m.Blocks[i]
		if b.Name != w.name || b.Adjustable.Verdict != w.adjustable || b.Adjustable.Reason == "" || len(b.Words) == 0 {
			t.Errorf("%s: got %+v, want %q", w.name, b.Adjustable, w.adjustable)
		}
		if b.Propensity.Verdict != w.propensity {
			t.Errorf("%s: got propensity %+v, want %q", w.name, b.Propensity, w.propensity)
		}
		if decided(b.Crude) != w.turns {
			t.Errorf("%s: got crude odds ratio %+v", w.name, b.Crude)
		}
	}
	if label := m.Blocks[2]; !decided(label.Adjusted) || !(label.EValue.Limit > 2) || !strings.Contains(strings.Join(label.Words, " "), "risk ratio") {
		t.Errorf("label: got %+v, %+v, %q", label.Adjusted, label.EValue, label.Words)
	}
	if balance := m.Blocks[1].Balance[0]; balance.Covariate != "age" || math.Abs(float64(balance.WeightedSMD)) > .05 || balance.SMD < .3 {
		t.Errorf("got %+v", balance)
	}
	if text := strings.Join(m.Blocks[1].Words, " "); !strings.Contains(text, "in them age is lower") {
		t.Errorf("got %q", text)
	}
	if text := strings.Join(m.Blocks[4].Words, " "); !strings.Contains(text, "sex alone decides it") || !strings.Contains(text, "Cannot be adjusted") {
		t.Errorf("got %q", text)
	}
	if _, err := json.Marshal(m); err != nil {
		t.Error(err)
	}
	if again := Audit(c, AuditOptions{Seed: 1, Resamples: 200}); !reflect.DeepEqual(text(t, again), text(t, m)) {
		t.Error("another audit of the same cohort differs")
	}
}

// The odds ratio of a block that the covariate alone decides survives; the page
// marks one that does not.
func TestAudit_Refutes(t *testing.T) {
	c := mixedCohort(600)
	c.Blocks = c.Blocks[:3]
	m := Audit(c, AuditOptions{Seed: 1, Resamples: 50, Refute: true})
	for _, b := range m.Blocks {
		if len(b.Refuters) != 6 || Worst(b.Refuters...) != OK {
			t.Errorf("%s: got %+v", b.Name, b.Refuters)
		}
	}
	b := m.Blocks[1]
	b.Refuters[0].Verdict = Fail
	if f := b.adjustable(600, 2); f.Verdict != Warn || !strings.Contains(f.Reason, "placebo_mask") {
		t.Errorf("got %+v", f)
	}
}

func text(t *testing.T, m Missingness) string {
	t.Helper()
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestAudit_WithoutCovariates(t *testing.T) {
	c := mixedCohort(500)
	c.Covariates, c.W = nil, nil
	m := Audit(c, AuditOptions{Seed: 1, Resamples: 20})
	for _, b := range m.Blocks {
		if b.Adjustable.Verdict != None || b.Adjusted.Estimate.Defined() {
			t.Errorf("%s: got %+v", b.Name, b.Adjustable)
		}
	}
	if text := strings.Join(m.Blocks[0].Words, " "); !strings.Contains(text, "names no covariates") {
		t.Errorf("got %q", text)
	}
}

// Labels that are unknown, or all the same, leave the rest of the page alone.
func TestAudit_WithoutEvents(t *testing.T) {
	c := mixedCohort(500)
	for i := range c.Events {
		if c.Events[i] == 1 {
			c.Events[i] = math.NaN()
		}
	}
	m := Audit(c, AuditOptions{Seed: 1, Resamples: 20})
	if m.Label.Verdict != None || m.Blocks[1].Crude.Estimate.Defined() || !m.Blocks[1].Propensity.Estimate.Defined() {
		t.Errorf("got %+v, %+v", m.Label, m.Blocks[1])
	}
}

func TestAUROCOf_AgreesWithStats(t *testing.T) {
	c := fixture[propensityCase](t, "propensity")
	w := make([]float64, len(c.Available))
	for i := range w {
		w[i] = 1
	}
	near(t, "auroc", WeightedAUROC(c.Propensity, c.Available)(w), c.AUROC)
}
