package scm

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/deconfound/deconfound/host/stats"
)

// figures are AUROC on rows of the training law, under do and flipped, and the
// root mean squared error against the truth under do.
type figures [4]float64

// approaches are the columns of the reference table.
var approaches = []string{"X", "X+mask", "X, enumerate", "X_c+mask", "X_c, enumerate", "X_c, marginalise", "U backdoor"}

// reference is the table of published figures of this model: logistic models on
// 20,000 rows, five dataset seeds.
var reference = map[string][7]figures{
	"S0": {{.744, .741, .744, .049}, {.745, .742, .744, .045}, {.745, .741, .744, .050}, {.747, .742, .745, .042}, {.746, .742, .745, .047}, {.746, .742, .745, .047}, {.746, .742, .745, .043}},
	"S1": {{.844, .673, .509, .165}, {.848, .671, .508, .165}, {.844, .672, .508, .171}, {.747, .742, .745, .042}, {.746, .742, .745, .047}, {.746, .742, .745, .047}, {.768, .741, .720, .047}},
	"S2": {{.855, .682, .531, .154}, {.856, .681, .522, .156}, {.855, .682, .531, .153}, {.803, .695, .581, .114}, {.766, .741, .719, .046}, {.766, .741, .719, .049}, {.760, .740, .732, .046}},
	"S3": {{.766, .741, .720, .054}, {.803, .695, .581, .115}, {.765, .740, .718, .048}, {.803, .695, .581, .114}, {.766, .741, .719, .046}, {.766, .741, .719, .046}, {.743, .741, .746, .045}},
	"S4": {{.836, .699, .627, .135}, {.837, .697, .616, .137}, {.836, .698, .624, .135}, {.819, .694, .751, .142}, {.814, .702, .782, .133}, {.789, .738, .750, .066}, {.756, .739, .728, .052}},
	"S5": {{.841, .672, .510, .165}, {.845, .671, .509, .165}, {.841, .671, .509, .171}, {.742, .743, .746, .041}, {.742, .742, .746, .046}, {.742, .742, .745, .048}, {.770, .740, .713, .049}},
	"S6": {{.769, .741, .771, .053}, {.838, .655, .840, .146}, {.768, .740, .771, .052}, {.839, .655, .840, .145}, {.770, .741, .772, .051}, {.770, .741, .772, .054}, {.837, .676, .838, .122}},
	"S7": {{.742, .741, .744, .052}, {.747, .736, .749, .056}, {.742, .741, .743, .051}, {.748, .737, .750, .055}, {.743, .742, .745, .050}, {.743, .742, .745, .049}, {.747, .737, .749, .055}},
}

// parts of a design: zero where a modality is missing.
const (
	partCausal = 1 << iota
	partSpurious
	partNoise
	partMask    // M bits
	partPattern // one column for each pattern but the full one
	partU
	partAll = partCausal | partSpurious | partNoise
)

// design returns the columns of some parts, and their number.
func design(r *Rows, parts int) ([]float64, int) {
	m := r.model
	var out []float64
	for i, a := range r.Availability {
		for k := range m.Modalities {
			for _, p := range []struct {
				part   int
				values []float64
				width  int
			}{{partCausal, r.Causal, m.Causal}, {partSpurious, r.Spurious, m.Spurious}, {partNoise, r.Noise, m.Noise}} {
				if parts&p.part == 0 {
					continue
				}
				from := (i*m.Modalities + k) * p.width
				for _, x := range p.values[from : from+p.width] {
					out = append(out, x*float64(a>>k&1))
				}
			}
		}
		if parts&partMask != 0 {
			for k := range m.Modalities {
				out = append(out, float64(a>>k&1))
			}
		}
		if parts&partPattern != 0 {
			for pattern := uint64(1); pattern < 1<<m.Modalities-1; pattern++ {
				out = append(out, indicator(a == pattern))
			}
		}
		if parts&partU != 0 {
			out = append(out, r.U[i])
		}
	}
	return out, len(out) / r.Len()
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// world is a dataset of a scenario.
type world struct {
	train *Rows
	tests [3]*Rows // training law, do, flip
	truth []float64
}

func newWorld(t testing.TB, name string, seed uint64, rows int) world {
	t.Helper()
	c, _ := Scenario(name)
	m, err := New(c, seed)
	if err != nil {
		t.Fatal(err)
	}
	w := world{train: m.Draw("train", rows)}
	w.tests = [3]*Rows{m.Draw("test", rows), m.DrawDo("do", rows, w.train.Availability), m.DrawFlip("flip", rows)}
	w.truth = w.tests[1].Truth()
	return w
}

// predictor scores rows.
type predictor func(r *Rows) []float64

// plain predicts with the row's own columns.
func (w world) plain(t testing.TB, parts int) predictor {
	x, width := design(w.train, parts)
	model := fit(t, x, width, w.train.Labels)
	return func(r *Rows) []float64 {
		x, width := design(r, parts)
		return averaged(model.linear(x, width), []float64{0}, []float64{1})
	}
}

// marginal is the backdoor sum: fitted on the parts shown and those hidden, it
// predicts from the first, averaged over what the second contribute in training
// rows.
func (w world) marginal(t testing.TB, shown, hidden int) predictor {
	xs, ws := design(w.train, shown)
	xh, wh := design(w.train, hidden)
	joint := make([]float64, 0, len(xs)+len(xh))
	for i := range w.train.Len() {
		joint = append(append(joint, xs[i*ws:(i+1)*ws]...), xh[i*wh:(i+1)*wh]...)
	}
	model := fit(t, joint, ws+wh, w.train.Labels)
	seen := logistic{append(slices.Clone(model.coefficients[:ws]), model.coefficients[ws+wh])}
	unseen := logistic{append(slices.Clone(model.coefficients[ws:ws+wh]), 0)}
	constants := unseen.linear(xh, wh)
	slices.Sort(constants)
	points, weights := quantiles(constants, 60)
	return func(r *Rows) []float64 {
		x, _ := design(r, shown)
		return averaged(seen.linear(x, ws), points, weights)
	}
}

func (w world) figures(t testing.TB, p predictor) figures {
	t.Helper()
	var f figures
	for k, r := range w.tests {
		scores, labels := p(r), make([]float64, r.Len())
		for i, y := range r.Labels {
			labels[i] = float64(y)
		}
		f[k] = stats.AUROC(scores, labels, nil)
		if k == 1 {
			f[3] = rootMeanSquare(scores, w.truth)
		}
	}
	return f
}

// TestScenarios_logisticReference fits every approach to every scenario and holds
// the means over the first dataset seeds against the reference and its tolerances.
// In S4 the AUROC depends on w'g, which differs from dataset to dataset so much (a
// standard deviation of .05) that means of five by one generator often differ by
// more than the tolerance of .02: there both means are allowed their sampling
// error, three standard errors estimated from our seeds.
func TestScenarios_logisticReference(t *testing.T) {
	if testing.Short() {
		t.Skip("fits 448 logistic models")
	}
	const seeds, published, rows = 8, 5, 10000
	type key struct {
		scenario string
		approach int
	}
	var mu sync.Mutex
	found := map[key][4][]float64{}
	t.Run("fit", func(t *testing.T) {
		for _, name := range Scenarios() {
			for seed := range seeds {
				t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, name, uint64(seed), rows)
					for a, p := range []predictor{
						w.plain(t, partAll),
						w.plain(t, partAll|partMask),
						w.marginal(t, partAll, partPattern),
						w.plain(t, partCausal|partMask),
						w.marginal(t, partCausal, partPattern),
						w.marginal(t, partCausal, partSpurious|partPattern),
						w.marginal(t, partAll|partMask, partU),
					} {
						f := w.figures(t, p)
						mu.Lock()
						all := found[key{name, a}]
						for k, v := range f {
							all[k] = append(all[k], v)
						}
						found[key{name, a}] = all
						mu.Unlock()
					}
				})
			}
		}
	})
	for _, name := range Scenarios() {
		for a, want := range reference[name] {
			line := fmt.Sprintf("%s %-17s", name, approaches[a])
			for k, values := range found[key{name, a}] {
				slices.Sort(values) // they come in any order, and the sum is to be the same
				mean, sd := stat.MeanStdDev(values, nil)
				tolerance := .02
				switch {
				case k == 3 && name != "S4":
					tolerance = .012
				case k < 3 && name == "S4":
					tolerance = 3 * sd * math.Sqrt(1./seeds+1./published)
				}
				line += fmt.Sprintf(" %.3f (%.3f ± %.3f)", mean, want[k], tolerance)
				if math.Abs(mean-want[k]) > tolerance {
					t.Errorf("%s, %s: %s is %.3f, want %.3f ± %.3f", name, approaches[a],
						[]string{"AUROC", "AUROC under do", "AUROC flipped", "IRMSE"}[k], mean, want[k], tolerance)
				}
			}
			t.Log(line)
		}
	}
}
