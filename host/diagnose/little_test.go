package diagnose

import (
	"errors"
	"math"
	"testing"
)

func TestLittle_Reference(t *testing.T) {
	for _, c := range fixture[[]struct {
		X, Mean, Covariance values
		Width, DF, Patterns int
		Statistic, P        float64
	}](t, "little") {
		got, err := Little(c.X, c.Width)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "statistic", got.Statistic, c.Statistic)
		near(t, "p", got.P, c.P)
		nearAll(t, "mean", got.Mean, c.Mean)
		nearAll(t, "covariance", got.Covariance, c.Covariance)
		if got.DF != c.DF || got.Patterns != c.Patterns {
			t.Errorf("got %d degrees of freedom, %d patterns, want %d, %d", got.DF, got.Patterns, c.DF, c.Patterns)
		}
		// In other units the test is the same.
		scaled := append([]float64(nil), c.X...)
		for i := range scaled {
			if i%c.Width == 1 {
				scaled[i] = 1000*scaled[i] - 3
			}
		}
		again, err := Little(scaled, c.Width)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "rescaled", again.Statistic, c.Statistic)
	}
}

// With one incomplete column the estimates have a closed form: the regression on
// the complete column (Little and Rubin 2002, section 7.2).
func TestLittle_MonotoneClosedForm(t *testing.T) {
	nan := math.NaN()
	x := []float64{1, 2, 2, 1, 3, 5, 4, 4, 5, nan, 7, nan}
	got, err := Little(x, 2)
	if err != nil {
		t.Fatal(err)
	}
	// Complete rows: x̄ 2.5, ȳ 3, slope 5/5 = 1; all rows: x̄ 22/6.
	near(t, "mean", got.Mean[1], 3+(22./6-2.5))
}

func TestLittle_Refuses(t *testing.T) {
	nan := math.NaN()
	if _, err := Little([]float64{1, 2, 3, 4}, 2); !errors.Is(err, ErrNoMissing) {
		t.Errorf("nothing missing: got %v", err)
	}
	if _, err := Little([]float64{1, 2, 2, 4, 3, 6, 4, nan, 5, nan}, 2); !errors.Is(err, ErrDependent) {
		t.Errorf("a column twice: got %v", err)
	}
	if _, err := Little([]float64{1, nan, 2, nan, nan, nan}, 2); !errors.Is(err, ErrNoMissing) && !errors.Is(err, ErrDependent) {
		t.Errorf("a column that is never there: got %v", err)
	}
}

func TestFirstComponents(t *testing.T) {
	// Two columns that say the same and one that says nothing: one component.
	x := []float64{1, 10, 5, 2, 20, 5, 3, 30, 5, 4, 40, 5, 99, 99, 99}
	got, k := FirstComponents(x, 3, []int{0, 1, 2, 3}, 2)
	if k != 1 || len(got) != 4 {
		t.Fatalf("got %d components, %d values", k, len(got))
	}
	near(t, "spacing", math.Abs(got[3]-got[0]), 3*math.Abs(got[1]-got[0]))
}
