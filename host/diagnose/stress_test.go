package diagnose

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/host/stats"
)

func TestStress_Reference(t *testing.T) {
	c := fixture[struct {
		Scores, Labels             values
		Share, Worst               float64
		Noise, Metric, Reference   values
		Relative, Effective, Slope float64
		Levels                     []string
		Target                     map[string]float64
		Alphas, Values             values
	}](t, "stress")
	near(t, "worst log-loss", WorstLogLoss(c.Scores, c.Labels, c.Share), c.Worst)
	near(t, "relative robustness", RelativeRobustness(c.Noise, c.Metric), c.Relative)
	near(t, "effective robustness", EffectiveRobustness(c.Metric, c.Reference), c.Effective)
	points, slope := PatternSweep(c.Levels, c.Target, c.Alphas, func(w []float64) float64 { return stats.Brier(c.Scores, c.Labels, w) })
	for i, p := range points {
		near(t, "brier", p.Value, c.Values[i])
	}
	near(t, "slope", slope, c.Slope)
	near(t, "effective size of the rows as they are", points[0].Effective, float64(len(c.Levels)))
	nan(t, "no rows", WorstLogLoss(nil, nil, .1))
}

func TestHanleyVariance_Reference(t *testing.T) {
	c := fixture[struct {
		AUROC, Variance float64
		Events          int
		NonEvents       int `json:"non_events"`
	}](t, "hanley")
	near(t, "variance", 1000*HanleyVariance(c.AUROC, c.Events, c.NonEvents), 1000*c.Variance)
}

func TestSpread(t *testing.T) {
	gap, deviation := Spread([]float64{.7, .9, math.NaN()}, []int{30, 10, 99})
	near(t, "gap", gap, .2)
	near(t, "deviation", deviation, math.Sqrt(.75*.05*.05+.25*.15*.15))
}
