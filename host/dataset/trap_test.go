package dataset

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// raw is a column of a modality, NaN where a cell is missing.
func raw(t *testing.T, s *Store, modality, column string) []float64 {
	t.Helper()
	m, ok := s.Lookup(modality)
	c := slices.Index(s.Modalities()[m].Columns, column)
	if !ok || c < 0 {
		t.Fatalf("no column %s of modality %s", column, modality)
	}
	out := make([]float64, s.Rows())
	for row := range out {
		values, err := s.Features().Raw(m, int32(row))
		if err != nil {
			t.Fatal(err)
		}
		out[row] = float64(values[c])
	}
	return out
}

// limits returns the smallest and the largest value, and how many there are.
func limits(values []float64) (low, high float64, n int) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) {
			low, high, n = min(low, v), max(high, v), n+1
		}
	}
	return low, high, n
}

// fib4 is measured only where it is abnormal, blood pressures are believable,
// and rows without a five-year status or a case id are gone.
func TestTraps_NAFLD(t *testing.T) {
	s := shared(t, "nafld")
	if low, _, n := limits(raw(t, s, "fibrosis", "fib4_last")); low < 2.67 || n == 0 {
		t.Errorf("got %d values of fib4 from %v, want all above 2.67", n, low)
	}
	for _, column := range []string{"sbp_last", "sbp_mean"} {
		if low, high, n := limits(raw(t, s, "bp", column)); low < 30 || high > 300 || n == 0 {
			t.Errorf("%s: got %d values from %v to %v, want them within 30 and 300", column, n, low, high)
		}
	}
	for _, m := range s.Modalities() {
		for _, column := range m.Columns {
			if column == "chol_last" || column == "dbp_last" {
				t.Errorf("%s is a copy of another test and must be left out", column)
			}
		}
	}
	dropped := map[string]bool{}
	for _, d := range s.dropped {
		dropped[d.Reason] = d.Count > 0
	}
	if !dropped["rows without death5y"] || !dropped["rows without case.id"] {
		t.Errorf("got dropped %+v, want rows without a status and without a case", s.dropped)
	}
}

// A typing error of a blood pressure is no measurement: the cell is missing, and
// with it the modality of a patient who has no other.
func TestTraps_TypingError(t *testing.T) {
	src := mustLoad(t, head+`
[[column]]
name = "sbp"
min = 30
max = 300
[[modality]]
name = "bp"
columns = ["sbp"]
`, map[string]string{"main.csv": "id,y,sbp\n1,0,13682\n2,1,1342\n3,0,463\n4,1,120\n"})
	for _, id := range []string{"1", "2", "3"} {
		checkRow(t, src, 0, id, false, nan)
	}
	checkRow(t, src, 0, "4", true, 120)
}

// ?, -9, a cholesterol of 0 and a blood pressure of 0 are missing; 0 is a value
// everywhere else.
func TestTraps_Heart(t *testing.T) {
	s := shared(t, "heart")
	for modality, columns := range map[string][]string{
		"lipid": {"chol"}, "bp": {"trestbps"}, "sugar": {"fbs"}, "exercise": {"thalach", "exang"}, "fluoroscopy": {"ca"},
	} {
		for _, column := range columns {
			low, _, n := limits(raw(t, s, modality, column))
			measured := column == "chol" || column == "trestbps" || column == "thalach"
			if n == 0 || (measured && low <= 0) || (!measured && low != 0) {
				t.Errorf("%s: got %d values from %v", column, n, low)
			}
		}
	}
	_, chol, n := limits(raw(t, s, "lipid", "chol"))
	if n != 718 || chol > 700 {
		t.Errorf("got %d cholesterols up to %v, want 718", n, chol)
	}
	// Switzerland wrote 0 for every cholesterol.
	m, _ := s.Lookup("lipid")
	for row, e := range s.Environment() {
		if s.EnvironmentLevels()[e] == "switzerland" && s.Availability()[row]>>m&1 == 1 {
			t.Fatalf("row %d of switzerland has a cholesterol", row)
		}
	}
}

// Missingness is confounded: what explains it turns its odds ratio around.
func TestTraps_Confounded(t *testing.T) {
	for _, c := range []struct {
		name, modality  string
		given           func(s *Store) [][]float64
		crude, adjusted float64
	}{
		{"heart", "lipid", sites, 4.45, .85},
		{"heart", "sugar", sites, 4.84, .63},
		{"nafld", "lipid", func(s *Store) [][]float64 {
			return append(sites(s), raw(t, s, "base", "age"), raw(t, s, "base", "male"))
		}, .76, 1.25},
	} {
		s := shared(t, c.name)
		m, _ := s.Lookup(c.modality)
		missing, label := make([]float64, s.Rows()), make([]float64, s.Rows())
		for row, pattern := range s.Availability() {
			missing[row] = float64(1 - pattern>>m&1)
			label[row] = float64(s.class(int32(row)))
		}
		crude := crudeOddsRatio(s, m)
		adjusted := oddsRatio(t, label, append([][]float64{missing}, c.given(s)...)...)
		if math.Abs(crude-c.crude) > .006 || math.Abs(adjusted-c.adjusted) > .006 {
			t.Errorf("%s without %s: got odds ratio %.3f, adjusted %.3f, want %v, %v", c.name, c.modality, crude, adjusted, c.crude, c.adjusted)
		}
	}
}

// crudeOddsRatio of a positive label when modality m is missing, with one half
// added to every count (Haldane, Annals of Human Genetics 1956).
func crudeOddsRatio(s *Store, m int) float64 {
	table := s.maskTable(s.allRows(), m)
	return (table[1][0] + .5) * (table[0][1] + .5) / ((table[0][0] + .5) * (table[1][1] + .5))
}

// sites is an indicator for every environment but the first.
func sites(s *Store) [][]float64 {
	out := make([][]float64, len(s.EnvironmentLevels())-1)
	for i := range out {
		out[i] = make([]float64, s.Rows())
		for row, e := range s.Environment() {
			if int(e) == i+1 {
				out[i][row] = 1
			}
		}
	}
	return out
}

// oddsRatio of the first column in a logistic regression with an intercept, by
// Newton's method.
func oddsRatio(t *testing.T, label []float64, columns ...[]float64) float64 {
	t.Helper()
	n, p := len(label), len(columns)+1
	x := mat.NewDense(n, p, nil)
	for row := range n {
		x.Set(row, 0, 1)
		for c, values := range columns {
			x.Set(row, c+1, values[row])
		}
	}
	beta := mat.NewVecDense(p, nil)
	for range 25 {
		var eta, gradient, step mat.VecDense
		eta.MulVec(x, beta)
		weighted, residual := mat.DenseCopyOf(x), mat.NewVecDense(n, nil)
		for row := range n {
			mean := 1 / (1 + math.Exp(-eta.AtVec(row)))
			residual.SetVec(row, label[row]-mean)
			for c := range p {
				weighted.Set(row, c, x.At(row, c)*mean*(1-mean))
			}
		}
		gradient.MulVec(x.T(), residual)
		var hessian mat.Dense
		hessian.Mul(x.T(), weighted)
		if err := step.SolveVec(&hessian, &gradient); err != nil {
			t.Fatal(err)
		}
		beta.AddVec(beta, &step)
	}
	return math.Exp(beta.AtVec(1))
}
