package stats

import (
	"math"
	"testing"
)

func TestCorrectedT_Reference(t *testing.T) {
	for _, f := range load(t).CorrectedT {
		got, p := CorrectedT(append(f.Differences, math.NaN()), f.Ratio, 0.95)
		near(t, "low", float64(got.Low), f.Low, 1e-9)
		near(t, "high", float64(got.High), f.High, 1e-9)
		near(t, "p", p, f.P, 1e-9)
		if f.Ratio == 0 {
			want := MeanInterval(f.Differences, 0.95)
			near(t, "low without correction", float64(got.Low), float64(want.Low), 1e-12)
		}
	}
	one, p := CorrectedT([]float64{3}, 0.3, 0.95)
	nan(t, "p of one", p)
	nan(t, "low of one", float64(one.Low))
	near(t, "mean of one", float64(one.Estimate), 3, 0)
	_, p = CorrectedT([]float64{2, 2, 2}, 0.3, 0.95)
	nan(t, "p without variance", p)
	_, p = CorrectedT([]float64{1, 2, 4}, math.NaN(), 0.95)
	nan(t, "p without a ratio", p)
	none, _ := CorrectedT(nil, 0.3, 0.95)
	nan(t, "mean of none", float64(none.Estimate))
}
