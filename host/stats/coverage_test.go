package stats

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/deconfound/deconfound/sdk/rng"
)

// Intervals that say 95 % must hold the truth in 93 to 97 of 100 sets.
const (
	coverLow  = 0.93
	coverHigh = 0.97
)

// covered is the share of sets whose interval holds the truth.
func covered(sets int, truth float64, interval func(r *rand.Rand) Interval) float64 {
	var hits atomic.Int64
	inParallel(sets, func(i int) {
		got := interval(rng.Stream(uint64(i), "coverage"))
		if float64(got.Low) <= truth && truth <= float64(got.High) {
			hits.Add(1)
		}
	})
	return float64(hits.Load()) / float64(sets)
}

func TestCoverage_MeanInterval(t *testing.T) {
	for _, seeds := range []int{2, 3, 5, 10} {
		share := covered(20_000, 0.8, func(r *rand.Rand) Interval {
			values := make([]float64, seeds)
			for i := range values {
				values[i] = 0.8 + 0.02*r.NormFloat64()
			}
			return MeanInterval(values, 0.95)
		})
		if math.Abs(share-0.95) > 0.006 {
			t.Errorf("%d seeds: %.3f", seeds, share)
		}
	}
}

// crossed is a comparison of two arms on the same patients with every seed, whose
// AUROCs are known. The score of patient i in arm a of seed s is
//
//	(μₐ + trainings·gₐₛ) yᵢ + zᵢ + own·vₐᵢ + mixed·⟨uₐₛ, xᵢ⟩
//
// with standard normal g, z, v and x and u uniform on the unit sphere: v are the
// patients whom the arms see differently, g makes trainings good or bad, u makes
// them see patients differently. The AUROC of an arm, over trainings, is
// Φ(μ / √(2 (1 + own² + mixed²) + trainings²)).
type crossed struct {
	seeds, patients       int
	prevalence            float64
	means                 [2]float64
	own, mixed, trainings float64
	// apart gives every seed patients of its own.
	apart bool
}

func (c crossed) auroc(arm int) float64 {
	return distuv.UnitNormal.CDF(c.means[arm] / math.Sqrt(2*(1+c.own*c.own+c.mixed*c.mixed)+c.trainings*c.trainings))
}

func (c crossed) draw(r *rand.Rand) []Paired {
	type patient struct {
		y, z float64
		v    [2]float64
		x    [3]float64
	}
	var patients []patient
	newPatients := func() {
		patients = make([]patient, c.patients)
		for i := range patients {
			p := &patients[i]
			if r.Float64() < c.prevalence {
				p.y = 1
			}
			p.z, p.v, p.x = r.NormFloat64(), [2]float64{r.NormFloat64(), r.NormFloat64()}, [3]float64{r.NormFloat64(), r.NormFloat64(), r.NormFloat64()}
		}
	}
	newPatients()
	out := make([]Paired, c.seeds)
	for s := range out {
		if c.apart && s > 0 {
			newPatients()
		}
		var scores [2][]float64
		for arm := range scores {
			mean := c.means[arm] + c.trainings*r.NormFloat64()
			u := [3]float64{r.NormFloat64(), r.NormFloat64(), r.NormFloat64()}
			length := math.Sqrt(u[0]*u[0] + u[1]*u[1] + u[2]*u[2])
			for _, p := range patients {
				z := mean*p.y + p.z + c.own*p.v[arm] + c.mixed*(u[0]*p.x[0]+u[1]*p.x[1]+u[2]*p.x[2])/length
				scores[arm] = append(scores[arm], 1/(1+math.Exp(-z)))
			}
		}
		out[s] = Paired{Baseline: Sample{Scores: scores[0]}, Variant: scores[1]}
		for i, p := range patients {
			id := int64(i)
			if c.apart {
				id += int64(s) * int64(c.patients)
			}
			out[s].Baseline.Labels, out[s].Clusters = append(out[s].Baseline.Labels, p.y), append(out[s].Clusters, id)
		}
	}
	return out
}

// coverage of the paired bootstrap.
func (c crossed) coverage(t testing.TB, sets, resamples int) float64 {
	t.Helper()
	return covered(sets, c.auroc(1)-c.auroc(0), func(r *rand.Rand) Interval {
		got, err := PairedBootstrap(binary, MetricAUROC, c.draw(r), Bootstrap{resamples, 0.95}, r)
		if err != nil {
			t.Error(err)
		}
		return got.Interval
	})
}

func TestCoverage_BootstrapOverPatients(t *testing.T) {
	c := crossed{seeds: 1, patients: 250, prevalence: 0.3, means: [2]float64{1.5, 1.5}, own: 0.5}
	share := covered(1000, c.auroc(0), func(r *rand.Rand) Interval {
		one := c.draw(r)[0]
		ranked, ok := newRanking(one.Baseline.Scores, one.Baseline.Labels, sequence(c.patients))
		if !ok {
			t.Error("no ranking")
		}
		return BootstrapInterval(ranked.auroc, one.Clusters, nil, 400, 0.95, r)
	})
	if share < coverLow || share > coverHigh {
		t.Errorf("%.3f", share)
	}
}

// The default split: every seed tests the same patients.
func TestCoverage_PairedBootstrap(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates for long")
	}
	for _, trainings := range []float64{0, 0.25, 1} {
		for _, seeds := range []int{3, 5} {
			c := crossed{seeds: seeds, patients: 200, prevalence: 0.3, means: [2]float64{1.2, 1.5}, own: 0.5, trainings: trainings}
			share := c.coverage(t, 1000, 200)
			if share < coverLow || share > coverHigh {
				t.Errorf("%d seeds, trainings %v: %.3f", seeds, trainings, share)
			}
		}
	}
}

// stratifiedCoverage of the IQM over strata whose centres are apart.
func stratifiedCoverage(sets, strata, seeds int, apart float64) float64 {
	draw := func(r *rand.Rand, n int) [][]float64 {
		values := make([][]float64, strata)
		for i := range values {
			for range n {
				values[i] = append(values[i], 0.7+apart*float64(i)+0.02*r.NormFloat64())
			}
		}
		return values
	}
	truth := 0.7 + apart*float64(strata-1)/2 // by symmetry
	return covered(sets, truth, func(r *rand.Rand) Interval { return StratifiedIQM(draw(r, seeds), 200, 0.95, r) })
}

// Of 3 strata 3 seeds cover a little more where the strata lie apart.
func TestCoverage_StratifiedIQM(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates for long")
	}
	for _, seeds := range []int{fewestIQM, 5, 10} {
		if share := stratifiedCoverage(2000, 6, seeds, 0.01); share < coverLow || share > coverHigh {
			t.Errorf("%d seeds: %.3f", seeds, share)
		}
	}
}

// improvementCoverage of strata of normal values, the variant better by a standard
// deviation as often as shift says; alike is the correlation of matched seeds.
func improvementCoverage(sets, strata, seeds int, shift, alike float64) float64 {
	truth := distuv.UnitNormal.CDF(shift / math.Sqrt2)
	return covered(sets, truth, func(r *rand.Rand) Interval {
		values := make([][]Matchup, strata)
		for i := range values {
			for range seeds {
				common := math.Sqrt(alike) * r.NormFloat64()
				own := func() float64 { return common + math.Sqrt(1-alike)*r.NormFloat64() }
				values[i] = append(values[i], Matchup{own(), shift + own()})
			}
		}
		return ImprovementProbability(values, Higher, 0.95)
	})
}

func TestCoverage_ImprovementProbability(t *testing.T) {
	for _, shift := range []float64{0, 1} {
		for _, seeds := range []int{3, 5, 10} {
			if share := improvementCoverage(2000, 6, seeds, shift, 0); share < coverLow || share > coverHigh {
				t.Errorf("%d seeds, shift %v: %.3f", seeds, shift, share)
			}
			if share := improvementCoverage(2000, 6, seeds, shift, 0.5); share < coverLow {
				t.Errorf("%d seeds that move both arms alike, shift %v: %.3f", seeds, shift, share)
			}
		}
	}
}
