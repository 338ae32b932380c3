//go:build measure

package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// TestMeasureCoverage prints how often the interval of the paired bootstrap holds
// the truth. A true null is rejected as often as an interval misses 0.
func TestMeasureCoverage(t *testing.T) {
	const sets, resamples = 1000, 300
	for _, kind := range []string{"same patients", "same patients, trainings see them differently", "patients of their own"} {
		for _, trainings := range []float64{0, 0.25, 1} {
			line := fmt.Sprintf("%s, trainings %v:", kind, trainings)
			for _, seeds := range []int{2, 3, 5} {
				c := crossed{seeds: seeds, patients: 200, prevalence: 0.3, means: [2]float64{1.2, 1.5}, own: 0.5, trainings: trainings}
				switch kind {
				case "patients of their own":
					c.apart = true
				case "same patients":
				default:
					c.mixed = 0.5
				}
				line += fmt.Sprintf("  %d seeds %.3f", seeds, c.coverage(t, sets, resamples))
			}
			t.Log(line)
		}
	}
}

// TestMeasurePower prints how often the paired bootstrap finds the difference that
// DetectableDifference promises at 80 %: patients and trainings are normal, the
// metric is a mean, and all seeds test the same patients.
func TestMeasurePower(t *testing.T) {
	const patients, sets = 200, 1000
	worse := func(a, b float64) bool { return a < b }
	for _, trainings := range []float64{0.3, 1, 3} { // sd, in that of a mean over patients
		line := fmt.Sprintf("trainings %v:", trainings)
		for _, seeds := range []int{3, 5, 10} {
			unit := 1 / math.Sqrt(patients)
			d := DetectableDifference(trainings*trainings*unit*unit/float64(seeds), unit*unit, seeds, 0.05, 0.8)
			var found atomic.Int64
			inParallel(sets, func(k int) {
				r := rng.Stream(uint64(k), "power")
				pairs := meanPairs(r, seeds, patients, float64(d.Difference), trainings*unit)
				if got := resample(pairs, 1, patients, 1, worse, Bootstrap{1000, 0.95}, r)[0][0]; got.P < 0.05 {
					found.Add(1)
				}
			})
			line += fmt.Sprintf("  %d seeds %.3f", seeds, float64(found.Load())/sets)
		}
		t.Log(line)
	}
}

// meanPairs are arms whose difference is shift, by a mean over the same patients.
func meanPairs(r *rand.Rand, seeds, patients int, shift, trainings float64) []pair {
	common := make([]float64, patients)
	for i := range common {
		common[i] = r.NormFloat64()
	}
	pairs := make([]pair, seeds)
	for s := range pairs {
		p := pair{weights: orOnes(nil, patients)}
		training := trainings * r.NormFloat64()
		var a, b losses
		for i := range patients {
			p.cluster = append(p.cluster, int32(i))
			a = append(a, rowLoss{row: int32(i)})
			b = append(b, rowLoss{loss: shift + training + common[i], row: int32(i)})
		}
		p.groups = []group{{target: targetOverall, arms: []evaluator{a, b}}}
		pairs[s] = p
	}
	return pairs
}
