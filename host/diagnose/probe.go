package diagnose

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Probe says how well a model reads a target from a representation.
type Probe struct {
	// AUROC on rows that the probe did not see, Chance that of the same probe
	// trained on shuffled targets (the mean of several shuffles), and Selectivity
	// their difference (Hewitt and Liang, EMNLP 2019, control tasks).
	AUROC, Chance, Selectivity float64
	Train, Test                int
	// SE is DeLong's standard error of the AUROC.
	SE float64
}

// LinearProbe trains an L2-penalised logistic regression (λ = 1, standardised
// columns) to read target, 0 or 1, from h, [n, width], on the rows with
// held = false and scores the others. The target is shuffled that many times,
// within the training rows. All figures are NaN when a part has one class only.
func LinearProbe(h []float64, width int, target []float64, held []bool, shuffles int, r *rand.Rand) Probe {
	return probe(h, width, target, held, shuffles, r, func(target []float64, train, test []int) ([]float64, error) {
		return fitPredict(h, width, target, train, test, 1)
	})
}

// NetworkProbe is LinearProbe with a network of one hidden layer, which finds what
// is there but not linear: 64 ReLU, standardised columns, Adam with rate 3e-3 and
// weight decay 1e-3, 60 epochs of batches of 64. It is float32 and drawn from r.
func NetworkProbe(h []float64, width int, target []float64, held []bool, shuffles int, r *rand.Rand) Probe {
	return probe(h, width, target, held, shuffles, r, func(target []float64, train, test []int) ([]float64, error) {
		return networkPredict(h, width, target, train, test, r)
	})
}

func probe(h []float64, width int, target []float64, held []bool, shuffles int, r *rand.Rand, fit func(target []float64, train, test []int) ([]float64, error)) Probe {
	n := len(target)
	check("values", len(h), n*width)
	check("marks", len(held), n)
	train, test := marked(held, false), marked(held, true)
	nan := math.NaN()
	out := Probe{nan, nan, nan, len(train), len(test), nan}
	score := func(target []float64) (auroc, variance float64) {
		p, err := fit(target, train, test)
		if err != nil {
			return nan, nan
		}
		return stats.DeLong(p, pick(target, test))
	}
	var variance float64
	out.AUROC, variance = score(target)
	out.SE = math.Sqrt(variance)
	if math.IsNaN(out.AUROC) || shuffles < 1 {
		return out
	}
	out.Chance = 0
	for range shuffles {
		control := slices.Clone(target)
		r.Shuffle(len(train), func(i, j int) {
			control[train[i]], control[train[j]] = control[train[j]], control[train[i]]
		})
		chance, _ := score(control)
		out.Chance += chance / float64(shuffles)
	}
	out.Selectivity = out.AUROC - out.Chance
	return out
}

func networkPredict(h []float64, width int, target []float64, train, test []int, r *rand.Rand) ([]float64, error) {
	const hidden, epochs, batch = 64, 60, 64
	events := 0.0
	for _, row := range train {
		events += target[row]
	}
	if events == 0 || events == float64(len(train)) {
		return nil, ErrOneClass
	}
	mean, scale := moments(h, width, train)
	input := func(rows []int) []float32 {
		z := standardised(h, width, rows, mean, scale)
		out := make([]float32, len(z))
		for i, v := range z {
			out[i] = float32(v)
		}
		return out
	}
	ps := &nn.Params{}
	first, second := nn.NewLinear(ps, "1", width, hidden, r), nn.NewLinear(ps, "2", hidden, 1, r)
	optimizer, err := nn.NewOptimizer(ps.All(), nn.OptimizerConfig{Name: "adam", LearningRate: 3e-3, WeightDecay: 1e-3})
	if err != nil {
		return nil, err
	}
	tape := nn.NewTape()
	forward := func(rows []int) *nn.Var {
		return second.Apply(tape, tape.ReLU(first.Apply(tape, tape.Const(len(rows), width, input(rows)))))
	}
	for range epochs {
		order := r.Perm(len(train))
		for from := 0; from < len(order); from += batch {
			rows := make([]int, 0, batch)
			labels := make([]float32, 0, batch)
			for _, i := range order[from:min(from+batch, len(order))] {
				rows, labels = append(rows, train[i]), append(labels, float32(target[train[i]]))
			}
			tape.Reset()
			ps.ZeroGrad()
			tape.BackwardFrom(tape.WeightedMean(tape.BCE(forward(rows), labels), nil))
			optimizer.Step()
		}
	}
	tape.Reset()
	out := make([]float64, len(test))
	for i, z := range forward(test).Value {
		out[i] = float64(z)
	}
	return out, nil
}

// Readable judges whether the causal branch carries what it should not, such as
// the mask: it warns from a selectivity of 0.05 and fails from 0.15, a third of the
// way from chance to certainty, if 0 lies outside the limits; a probe of some
// hundred rows scatters by 0.06 where there is nothing to read. The limits are
// DeLong's for the AUROC, wider by the scatter of the chance level, which is the
// mean of that many shuffles.
func Readable(name string, h []float64, width int, target []float64, held []bool, shuffles int, r *rand.Rand) Finding {
	p := LinearProbe(h, width, target, held, shuffles, r)
	if math.IsNaN(p.Selectivity) {
		return unknown(name, p.Test, "the target takes one value only in %d training or %d test rows", p.Train, p.Test)
	}
	f := found(name, p.Selectivity, p.Test, float64(p.Test))
	half := z95 * p.SE * math.Sqrt(1+1/float64(shuffles))
	f.Low, f.High = number(p.Selectivity-half), number(p.Selectivity+half)
	verdict := OK
	if p.Selectivity >= .05 && f.Low > 0 {
		verdict = Warn
	}
	if p.Selectivity >= .15 && f.Low > 0 {
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
