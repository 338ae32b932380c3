package diagnose

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/deconfound/deconfound/host/stats"
)

// values are numbers of a fixture; null is NaN.
type values []float64

func (v *values) UnmarshalJSON(data []byte) error {
	var numbers []stats.Number
	if err := json.Unmarshal(data, &numbers); err != nil {
		return err
	}
	*v = make(values, len(numbers))
	for i, n := range numbers {
		(*v)[i] = float64(n)
	}
	return nil
}

// fixture reads one section of the reference values; see testdata/fixtures.py.
func fixture[T any](t *testing.T, section string) T {
	t.Helper()
	data, err := os.ReadFile("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(data, &sections); err != nil {
		t.Fatal(err)
	}
	var out T
	if err := json.Unmarshal(sections[section], &out); err != nil {
		t.Fatalf("%s: %v", section, err)
	}
	return out
}

// near compares to 1e-6, relative for figures above 1.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-6*math.Max(1, math.Abs(want))) {
		t.Errorf("%s: got %.12g, want %.12g", what, got, want)
	}
}

func nearAll(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		near(t, what, got[i], want[i])
	}
}

func nearInterval(t *testing.T, what string, got stats.Interval, want []float64) {
	t.Helper()
	nearAll(t, what, []float64{float64(got.Estimate), float64(got.Low), float64(got.High)}, want)
}

func nan(t *testing.T, what string, got float64) {
	t.Helper()
	if !math.IsNaN(got) {
		t.Errorf("%s: got %v, want NaN", what, got)
	}
}
