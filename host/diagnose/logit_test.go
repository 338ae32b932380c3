package diagnose

import (
	"errors"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func entries(m *mat.SymDense) []float64 {
	var out []float64
	for j := range m.SymmetricDim() {
		out = append(out, mat.Row(nil, j, m)...)
	}
	return out
}

func TestFitLogit_Reference(t *testing.T) {
	for _, c := range fixture[[]struct {
		X, Y, Weights, Offset    values
		Clusters                 []int64
		Coefficients, Covariance values
		Robust, Ridge            values
		LogLikelihood            float64 `json:"log_likelihood"`
	}](t, "logit") {
		fit, err := FitLogit(c.X, 3, c.Y, LogitOptions{Weights: c.Weights, Offset: c.Offset})
		if err != nil {
			t.Fatal(err)
		}
		nearAll(t, "coefficients", fit.Coefficients, c.Coefficients)
		nearAll(t, "covariance", entries(fit.Covariance), c.Covariance)
		near(t, "log-likelihood", fit.LogLikelihood, c.LogLikelihood)
		if c.Robust != nil {
			robust, err := FitLogit(c.X, 3, c.Y, LogitOptions{Clusters: c.Clusters})
			if err != nil {
				t.Fatal(err)
			}
			nearAll(t, "robust covariance", entries(robust.Covariance), c.Robust)
		}
		if c.Ridge != nil {
			ridge, err := FitLogit(c.X, 3, c.Y, LogitOptions{Weights: c.Weights, L2: 2})
			if err != nil {
				t.Fatal(err)
			}
			nearAll(t, "penalised", ridge.Coefficients, c.Ridge)
		}
	}
}

func TestFitLogit_NoSolution(t *testing.T) {
	for _, c := range []struct {
		name string
		x, y []float64
		want error
	}{
		{"one class", []float64{1, 2, 3}, []float64{1, 1, 1}, ErrOneClass},
		{"separated", []float64{1, 2, 3, 4}, []float64{0, 0, 1, 1}, ErrSeparated},
		{"constant column", []float64{2, 2, 2, 2}, []float64{0, 1, 0, 1}, ErrDependent},
	} {
		if _, err := FitLogit(c.x, 1, c.y, LogitOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// A penalty gives separated classes a finite fit.
func TestFitLogit_PenaltyBoundsSeparation(t *testing.T) {
	fit, err := FitLogit([]float64{1, 2, 3, 4}, 1, []float64{0, 0, 1, 1}, LogitOptions{L2: 1})
	if err != nil || !(fit.Coefficients[1] > 0 && fit.Coefficients[1] < 5) {
		t.Errorf("got %v, %v", fit.Coefficients, err)
	}
}
