package stats

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// fixtures are reference values of scikit-learn, SciPy and statsmodels; see
// testdata/fixtures.py.
type fixtures struct {
	Binary []struct {
		Scores, Other, Labels, Weights []float64
		AUROC, AUPRC, Brier, ECE       float64
		LogLoss                        float64  `json:"log_loss"`
		ECEMass                        *float64 `json:"ece_mass"`
		Accuracy                       float64
		BalancedAccuracy               float64 `json:"balanced_accuracy"`
		CalibrationSlope               float64 `json:"calibration_slope"`
		CalibrationIntercept           float64 `json:"calibration_intercept"`
		DeLongVariance                 float64 `json:"delong_variance"`
		DeLongDifference               float64 `json:"delong_difference"`
		DeLongDifferenceVariance       float64 `json:"delong_difference_variance"`
		DeLongP                        float64 `json:"delong_p"`
	}
	Multiclass []struct {
		Classes                  int
		Scores, Labels, Weights  []float64
		AUROC, AUPRC, Brier, ECE float64
		LogLoss                  float64 `json:"log_loss"`
		Accuracy                 float64
		BalancedAccuracy         float64 `json:"balanced_accuracy"`
	}
	Wilcoxon []struct {
		Differences  []float64
		Statistic, P float64
	}
	TInterval []struct {
		Values                      []float64
		Confidence, Mean, Low, High float64
	} `json:"t_interval"`
	SignFlip []struct {
		Differences []float64
		P           float64
	} `json:"sign_flip"`
	Correction []struct {
		P, Holm           []float64
		BenjaminiHochberg []float64 `json:"benjamini_hochberg"`
	}
	Decision []struct { // of the cases of Binary
		BrierParts struct {
			Reliability, Resolution, Uncertainty float64
			WithinVariance                       float64 `json:"within_variance"`
			WithinCovariance                     float64 `json:"within_covariance"`
		} `json:"brier_parts"`
		NetBenefit []struct{ Threshold, Model, All float64 } `json:"net_benefit"`
	}
	Friedman []struct {
		Values    [][]float64
		Exact     bool
		MeanRanks []float64 `json:"mean_ranks"`
		Statistic float64
		P         float64
		Critical  float64     `json:"critical_difference"`
		Nemenyi   [][]float64 `json:"nemenyi_p"`
	}
	CorrectedT []struct {
		Differences         []float64
		Ratio, Low, High, P float64
	} `json:"corrected_t"`
	IQM []struct {
		Values []float64
		IQM    float64
	}
	Improvement []struct {
		Strata                 [][][2]float64 // [stratum][seed][baseline, variant]
		Probability, Low, High float64
	}
	Power []struct {
		N                                int
		Effect, Alpha, Power, Detectable float64
	}
	Noncentral   []struct{ T, Freedom, Shift, CDF float64 }
	HanleyMcNeil []struct {
		AUROC, Variance float64
		Events          int
		NonEvents       int `json:"non_events"`
	} `json:"hanley_mcneil"`
}

func load(t *testing.T) fixtures {
	t.Helper()
	data, err := os.ReadFile("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var f fixtures
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %.12g, want %.12g", what, got, want)
	}
}

func nan(t *testing.T, what string, got float64) {
	t.Helper()
	if !math.IsNaN(got) {
		t.Errorf("%s: got %v, want NaN", what, got)
	}
}
