package diagnose

import (
	"math"
	"math/rand/v2"

	"github.com/deconfound/deconfound/host/stats"
)

// Probe says how well a linear model reads a target from a representation.
type Probe struct {
	// AUROC on rows that the probe did not see, Chance that of the same probe
	// trained on shuffled targets (the mean of several shuffles), and Selectivity
	// their difference (Hewitt and Liang, EMNLP 2019, control tasks).
	AUROC, Chance, Selectivity float64
	Train, Test                int
}

// LinearProbe trains an L2-penalised logistic regression (λ = 1, standardised
// columns) to read target, 0 or 1, from h, [n, width], on the rows with
// held = false and scores the others. The target is shuffled that many times,
// within the training rows. All figures are NaN when a part has one class only.
func LinearProbe(h []float64, width int, target []float64, held []bool, shuffles int, r *rand.Rand) Probe {
	n := len(target)
	check("values", len(h), n*width)
	check("marks", len(held), n)
	var train, test []int
	for i, out := range held {
		if out {
			test = append(test, i)
		} else {
			train = append(train, i)
		}
	}
	nan := math.NaN()
	out := Probe{nan, nan, nan, len(train), len(test)}
	score := func(target []float64) float64 {
		p, err := fitPredict(h, width, target, train, test, 1)
		if err != nil {
			return nan
		}
		return stats.AUROC(p, pick(target, test), nil)
	}
	out.AUROC = score(target)
	if math.IsNaN(out.AUROC) || shuffles < 1 {
		return out
	}
	out.Chance = 0
	for range shuffles {
		control := append([]float64(nil), target...)
		r.Shuffle(len(train), func(i, j int) {
			control[train[i]], control[train[j]] = control[train[j]], control[train[i]]
		})
		out.Chance += score(control) / float64(shuffles)
	}
	out.Selectivity = out.AUROC - out.Chance
	return out
}

// Readable judges whether the causal branch carries what it should not, such as
// the mask: ok below a selectivity of 0.05, a failure from 0.15. The limits are
// DeLong's for the AUROC, moved by the chance level.
func Readable(name string, h []float64, width int, target []float64, held []bool, shuffles int, r *rand.Rand) Finding {
	p := LinearProbe(h, width, target, held, shuffles, r)
	if math.IsNaN(p.Selectivity) {
		return unknown(name, p.Test, "the target takes one value only in %d training or %d test rows", p.Train, p.Test)
	}
	f := found(name, p.Selectivity, p.Test, float64(p.Test))
	scores, err := fitPredict(h, width, target, marked(held, false), marked(held, true), 1)
	if err != nil {
		return unknown(name, p.Test, "%s", err)
	}
	_, variance := stats.DeLong(scores, pick(target, marked(held, true)))
	f.Low, f.High = number(p.Selectivity-z95*math.Sqrt(variance)), number(p.Selectivity+z95*math.Sqrt(variance))
	verdict := OK
	if p.Selectivity >= .05 {
		verdict = Warn
	}
	if p.Selectivity >= .15 {
		verdict = Fail
	}
	return f.judge(verdict, "a linear probe reads it with AUROC %.3f, one trained on shuffled targets with %.3f", p.AUROC, p.Chance)
}

func marked(held []bool, want bool) []int {
	var out []int
	for i, h := range held {
		if h == want {
			out = append(out, i)
		}
	}
	return out
}

// HoldOut marks about a share of the clusters as held out, whole clusters at a
// time, whatever the order of rows.
func HoldOut(clusters []int64, share float64, r *rand.Rand) []bool {
	const parts = 100
	out := make([]bool, len(clusters))
	for i, part := range Folds(clusters, parts, r) {
		out[i] = float64(part) < share*parts
	}
	return out
}
