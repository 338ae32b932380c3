package search

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"
)

// tpe is the tree-structured Parzen estimator (Bergstra et al., "Algorithms for
// hyper-parameter optimization", NIPS 2011), multivariate (Falkner, Klein and
// Hutter, "BOHB", ICML 2018): one density l of the best tenth of the trials, one
// density g of the others; of points drawn from l the one with the highest l/g is
// tried next.
//
// Parameters with the same condition are a group, with densities of its own from
// the trials that have them. Trials that are still trained count among the bad
// ones (constant liar, Ginsbourger et al. 2010), so that parallel trials spread.
type tpe struct {
	space             *space
	source            Source
	random            *random
	groups            [][]*Dimension
	trials            int
	startup, parallel int
	epochs            int
}

// candidates is the number of points drawn from l, as in Optuna.
const candidates = 24

func newTPE(s *space, c Config, draws *random) *tpe {
	t := &tpe{
		space: s, source: c.Source, random: draws, trials: c.Trials, startup: c.Startup, parallel: c.Parallel, epochs: c.Epochs,
	}
	conditions := []string{""}
	t.groups = [][]*Dimension{nil}
	for i := range s.Dimensions {
		d := &s.Dimensions[i]
		if !d.Free() || d.With != "" {
			continue
		}
		at := slices.Index(conditions, d.When)
		if at < 0 {
			at = len(conditions)
			conditions, t.groups = append(conditions, d.When), append(t.groups, nil)
		}
		t.groups[at] = append(t.groups[at], d)
	}
	t.groups = slices.DeleteFunc(t.groups, func(g []*Dimension) bool { return len(g) == 0 })
	return t
}

func (t *tpe) total() int { return t.trials }

// ready waits until every trial that the proposal looks at has shown a value or
// ended.
func (t *tpe) ready(m *Machine, k int) bool {
	if k < t.startup {
		return true
	}
	for _, o := range m.trials[:max(0, k-t.parallel+1)] {
		if o.State == Training && len(o.Reports) == 0 {
			return false
		}
	}
	return true
}

// seenTrial is a trial as a proposal sees it.
type seenTrial struct {
	*Trial
	epoch int     // 0: it is still trained
	loss  float64 // at epoch
}

// split parts the trials that trial k may look at into the best ones and the
// others, each in the order of their numbers.
func (t *tpe) split(m *Machine, k int) (good, bad []seenTrial, observed int) {
	var shown []seenTrial
	for _, o := range m.trials[:k] {
		if o.State == Repeat || o.State == Failed {
			continue
		}
		s := seenTrial{Trial: o}
		if o.Number <= k-t.parallel {
			var value float64
			s.epoch, value = o.last(t.epochs)
			s.loss = m.loss(value)
		}
		if s.epoch == 0 {
			bad = append(bad, s)
		} else {
			shown = append(shown, s)
		}
	}
	observed = len(shown)
	n := min(int(math.Ceil(0.1*float64(observed))), 25)
	slices.SortStableFunc(shown, func(a, b seenTrial) int {
		return cmp.Or(cmp.Compare(b.epoch, a.epoch), cmp.Compare(a.loss, b.loss))
	})
	good, bad = shown[:n:n], append(bad, shown[n:]...)
	byNumber := func(a, b seenTrial) int { return cmp.Compare(a.Number, b.Number) }
	slices.SortFunc(good, byNumber)
	slices.SortFunc(bad, byNumber)
	return good, bad, observed
}

func (t *tpe) propose(m *Machine, k int) (Point, bool) {
	if k < t.startup {
		return t.random.propose(m, k)
	}
	good, bad, observed := t.split(m, k)
	if observed < t.startup {
		return t.random.propose(m, k)
	}
	ranked := make([][]Point, len(t.groups))
	for i, group := range t.groups {
		ranked[i] = t.rank(group, good, bad, k)
	}
	// The best point that is new and allowed; the first group goes down its list.
	for place := range candidates {
		p := t.space.build(func(d *Dimension) any {
			for i, group := range ranked {
				if v, ok := group[0][d.Name]; ok {
					if i == 0 {
						v = group[place][d.Name]
					}
					return v
				}
			}
			return d.At(0)
		})
		if _, known := m.points[key(p)]; !known && t.space.allowed(p) {
			return p, true
		}
	}
	return t.random.propose(m, k)
}

// rank draws points of a group of dimensions from the density of the good trials
// and sorts them by how much likelier they are good than bad, the best first.
func (t *tpe) rank(group []*Dimension, good, bad []seenTrial, k int) []Point {
	l, g := newParzen(group, observations(group, good)), newParzen(group, observations(group, bad))
	rng := t.source.stream(k, "tpe "+group[0].Name)
	type candidate struct {
		point Point
		score float64
	}
	drawn := make([]candidate, candidates)
	at := make([][]float64, candidates)
	for i := range drawn {
		values := l.sample(rng)
		at[i] = make([]float64, len(group))
		drawn[i].point = Point{}
		for j, d := range group {
			drawn[i].point[d.Name], at[i][j] = values[j], d.coordinate(values[j])
		}
	}
	// After ten thousand trials each score is ten thousand terms a parameter.
	workers := min(runtime.GOMAXPROCS(0), candidates)
	var scoring sync.WaitGroup
	for w := range workers {
		scoring.Go(func() {
			for i := w; i < candidates; i += workers {
				drawn[i].score = l.logDensity(at[i]) - g.logDensity(at[i])
			}
		})
	}
	scoring.Wait()
	slices.SortStableFunc(drawn, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	out := make([]Point, len(drawn))
	for i := range drawn {
		out[i] = drawn[i].point
	}
	return out
}

// observations are the coordinates of the trials that have all dimensions of a
// group.
func observations(group []*Dimension, trials []seenTrial) [][]float64 {
	var out [][]float64
	for _, t := range trials {
		x := make([]float64, 0, len(group))
		for _, d := range group {
			v, ok := t.Point[d.Name]
			if !ok {
				break
			}
			x = append(x, d.coordinate(v))
		}
		if len(x) == len(group) {
			out = append(out, x)
		}
	}
	return out
}
