package diagnose

import (
	"errors"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

func TestAssociate_Reference(t *testing.T) {
	for _, c := range fixture[[]struct {
		A, B        []int
		Information float64
		ChiSquare   float64 `json:"chi_square"`
		DF          int
		P           float64
		CramersV    float64 `json:"cramers_v"`
	}](t, "association") {
		got := Associate(c.A, c.B, 0, nil)
		near(t, "information", got.Information, c.Information)
		near(t, "chi square", got.ChiSquare, c.ChiSquare)
		near(t, "p", got.P, c.P)
		near(t, "V", got.CramersV, c.CramersV)
		nan(t, "permuted", got.Permuted)
		if got.DF != c.DF || got.N != len(c.A) {
			t.Errorf("got %d degrees of freedom of %d rows, want %d of %d", got.DF, got.N, c.DF, len(c.A))
		}
	}
}

func TestAssociate_Permutations(t *testing.T) {
	var a, same, other []int
	for i := range 60 {
		a, same, other = append(a, i%2), append(same, i%2), append(other, i/2%2)
	}
	if got := Associate(a, same, 199, rng.Stream(1, "p")); got.Permuted != 1./200 {
		t.Errorf("the same variable: got p %v, want %v", got.Permuted, 1./200)
	}
	if got := Associate(a, other, 199, rng.Stream(1, "p")); got.Permuted < .5 {
		t.Errorf("an independent variable: got p %v", got.Permuted)
	}
	nan(t, "a constant", Associate(a, make([]int, 60), 0, nil).CramersV)
}

func TestAssociate_LeavesOutUnknownCodes(t *testing.T) {
	got := Associate([]int{0, 1, 0, 1, -1}, []int{0, 1, 0, 1, 1}, 0, nil)
	near(t, "V", got.CramersV, 1)
	if got.N != 4 {
		t.Errorf("got %d rows, want 4", got.N)
	}
}

func TestRatios_Reference(t *testing.T) {
	for _, c := range fixture[[]struct {
		Cells      []int
		Risk, Odds values
	}](t, "ratios") {
		var exposed, event []bool
		for cell, n := range c.Cells {
			for range n {
				exposed, event = append(exposed, cell < 2), append(event, cell%2 == 0)
			}
		}
		nearInterval(t, "risk ratio", RiskRatio(exposed, event), c.Risk)
		nearInterval(t, "odds ratio", OddsRatio(exposed, event), c.Odds)
	}
	nan(t, "an empty cell", float64(OddsRatio([]bool{true, false}, []bool{true, true}).Estimate))
	nan(t, "no event", float64(RiskRatio([]bool{true, false}, []bool{false, false}).Estimate))
}

func TestAdjustedOddsRatio_Reference(t *testing.T) {
	c := fixture[struct {
		Exposure, Y, X, Odds values
		Width                int
	}](t, "adjusted")
	got, err := AdjustedOddsRatio(c.Exposure, c.Y, c.X, c.Width, nil)
	if err != nil {
		t.Fatal(err)
	}
	nearInterval(t, "odds ratio", got, c.Odds)
	if _, err := AdjustedOddsRatio(make([]float64, len(c.Y)), c.Y, c.X, c.Width, nil); !errors.Is(err, ErrDependent) {
		t.Errorf("a constant exposure: got %v, want %v", err, ErrDependent)
	}
	if _, err := AdjustedOddsRatio(c.Exposure, c.Y, c.Exposure, 1, nil); !errors.Is(err, ErrDependent) {
		t.Errorf("an exposure that the covariates determine: got %v, want %v", err, ErrDependent)
	}
}

func TestIndependent_DropsConstantsAndRepeats(t *testing.T) {
	x := []float64{
		1, 7, 2, 3, 0,
		2, 7, 4, 1, 5,
		3, 7, 6, 9, -1,
		4, 7, 8, 2, 8,
	}
	if got, want := Independent(x, 5), []int{0, 3, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
