package diagnose

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

func TestDependence_Reference(t *testing.T) {
	for _, c := range fixture[[]struct {
		X, Y                values
		WX, WY              int
		HSIC                float64
		KernelCKA           float64 `json:"kernel_cka"`
		LinearCKA           float64 `json:"linear_cka"`
		DistanceCorrelation float64 `json:"distance_correlation"`
		Information         float64
	}](t, "dependence") {
		near(t, "hsic", HSIC(c.X, c.WX, c.Y, c.WY), c.HSIC)
		near(t, "kernel cka", KernelCKA(c.X, c.WX, c.Y, c.WY), c.KernelCKA)
		near(t, "linear cka", LinearCKA(c.X, c.WX, c.Y, c.WY), c.LinearCKA)
		near(t, "distance correlation", DistanceCorrelation(c.X, c.WX, c.Y, c.WY), c.DistanceCorrelation)
		near(t, "mutual information", MutualInformation(c.X, c.WX, c.Y, c.WY, 3), c.Information)
	}
}

func TestDependence_WithoutVariation(t *testing.T) {
	x, same := []float64{1, 2, 3, 5, 8}, make([]float64, 5)
	for name, got := range map[string]float64{
		"hsic": HSIC(x, 1, same, 1), "kernel cka": KernelCKA(x, 1, same, 1), "linear cka": LinearCKA(x, 1, same, 1),
		"distance correlation": DistanceCorrelation(x, 1, same, 1), "few rows": HSIC(x[:3], 1, x[:3], 1),
		"mutual information of rows that coincide": MutualInformation(same, 1, same, 1, 3),
	} {
		nan(t, name, got)
	}
	if f := Independence("x", x, 1, same, 1, 10, nil); f.Verdict != None || f.Reason == "" {
		t.Errorf("got %+v", f)
	}
}

func TestIndependence_Verdicts(t *testing.T) {
	r := rng.Stream(3, "independence")
	var x, dependent, independent []float64
	for range 80 {
		v := r.NormFloat64()
		x, dependent, independent = append(x, v), append(dependent, v*v), append(independent, r.NormFloat64())
	}
	if f := Independence("squares", x, 1, dependent, 1, 199, r); f.Verdict != Fail || f.P > .01 {
		t.Errorf("squares: got %+v", f)
	}
	if f := Independence("noise", x, 1, independent, 1, 199, r); f.Verdict != OK {
		t.Errorf("noise: got %+v", f)
	}
}
