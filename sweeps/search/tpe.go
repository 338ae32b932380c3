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
	groups            []*group
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
	t.groups = []*group{{}}
	for i := range s.Dimensions {
		d := &s.Dimensions[i]
		if !d.Free() || d.With != "" {
			continue
		}
		at := slices.Index(conditions, d.When)
		if at < 0 {
			at = len(conditions)
			conditions, t.groups = append(conditions, d.When), append(t.groups, &group{})
		}
		t.groups[at].dimensions = append(t.groups[at].dimensions, d)
	}
	t.groups = slices.DeleteFunc(t.groups, func(g *group) bool { return len(g.dimensions) == 0 })
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
	epoch int
	loss  float64 // at epoch
}

// split parts the trials that trial k may look at into the best ones and the
// others, each in the order of their numbers.
func (t *tpe) split(m *Machine, k int) (good, bad []*Trial, observed int) {
	shown := make([]seenTrial, 0, k)
	for _, o := range m.trials[:max(0, min(k, k-t.parallel+1))] {
		if o.State == Repeat || o.State == Failed {
			continue
		}
		if epoch, value := o.last(t.epochs); epoch > 0 {
			shown = append(shown, seenTrial{Trial: o, epoch: epoch, loss: m.loss(value)})
		}
	}
	observed = len(shown)
	// The best of them, of equal ones the older; a trial seldom is among them.
	n := min(int(math.Ceil(0.1*float64(observed))), 25)
	best := make([]seenTrial, 0, n+1)
	for _, s := range shown {
		at, _ := slices.BinarySearchFunc(best, s, func(b, s seenTrial) int {
			return cmp.Or(cmp.Compare(s.epoch, b.epoch), cmp.Compare(b.loss, s.loss), -1)
		})
		if at < n {
			best = slices.Insert(best, at, s)[:min(n, len(best)+1)]
		}
	}
	for _, s := range best {
		good = append(good, s.Trial)
	}
	slices.SortFunc(good, func(a, b *Trial) int { return cmp.Compare(a.Number, b.Number) })
	bad = make([]*Trial, 0, k)
	rest := good
	for _, o := range m.trials[:k] {
		switch {
		case len(rest) > 0 && rest[0] == o:
			rest = rest[1:]
		case o.State != Repeat && o.State != Failed:
			bad = append(bad, o)
		}
	}
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

// group is parameters with the same condition, and what proposals need to know again.
type group struct {
	dimensions []*Dimension
	seen       [][]float64 // coordinates of the trials by number; nil: not looked at, empty: without these parameters
	bad        *parzen     // density of the trials in members, in the order of their numbers
	members    []int
}

// coordinates are where a trial is; false if it has not all parameters of the group.
func (g *group) coordinates(t *Trial) ([]float64, bool) {
	if len(g.seen) <= t.Number {
		g.seen = append(g.seen, make([][]float64, t.Number+1-len(g.seen))...)
	}
	if g.seen[t.Number] == nil {
		x := make([]float64, 0, len(g.dimensions))
		for _, d := range g.dimensions {
			v, ok := t.Point[d.Name]
			if !ok {
				x = x[:0]
				break
			}
			x = append(x, d.coordinate(v))
		}
		g.seen[t.Number] = x
	}
	return g.seen[t.Number], len(g.seen[t.Number]) > 0
}

// observations are the coordinates of the trials that have all dimensions of the
// group.
func (g *group) observations(trials []*Trial) [][]float64 {
	var out [][]float64
	for _, t := range trials {
		if x, ok := g.coordinates(t); ok {
			out = append(out, x)
		}
	}
	return out
}

// rebuilt is the share of the members from which on changing the density of the bad
// trials takes longer than making it anew.
const rebuilt = 1.0 / 32

// density is that of the bad trials: as it was at the last proposal, but for the few
// that have come or gone since.
func (g *group) density(bad []*Trial) *parzen {
	members := make([]int, 0, len(bad))
	for _, t := range bad {
		if _, ok := g.coordinates(t); ok {
			members = append(members, t.Number)
		}
	}
	most := int(rebuilt * float64(len(members)))
	if g.bad == nil || !g.follow(members, most) {
		g.bad = newParzen(g.dimensions, g.observations(bad))
	}
	g.members = members
	return g.bad
}

// follow changes the density to that of members; false if that takes more than so
// many changes, and the density then is of no use.
func (g *group) follow(members []int, most int) bool {
	changes := 0
	for i := 0; i < max(len(members), len(g.members)); i++ {
		for i < len(g.members) && (i >= len(members) || g.members[i] < members[i]) {
			if changes++; changes > most {
				return false
			}
			g.bad.remove(i)
			g.members = slices.Delete(g.members, i, i+1)
		}
		if i < len(members) && (i >= len(g.members) || g.members[i] > members[i]) {
			if changes++; changes > most {
				return false
			}
			g.bad.insert(i, g.seen[members[i]])
			g.members = slices.Insert(g.members, i, members[i])
		}
	}
	if changes > 0 {
		g.bad.weigh(len(members))
	}
	return true
}

// rank draws points of a group of dimensions from the density of the good trials
// and sorts them by how much likelier they are good than bad, the best first.
func (t *tpe) rank(group *group, good, bad []*Trial, k int) []Point {
	l, g := newParzen(group.dimensions, group.observations(good)), group.density(bad)
	rng := t.source.stream(k, "tpe "+group.dimensions[0].Name)
	type candidate struct {
		point Point
		score float64
	}
	drawn := make([]candidate, candidates)
	ats := make([][]float64, candidates)
	for i := range drawn {
		values := l.sample(rng)
		at := make([]float64, len(values))
		drawn[i].point = Point{}
		for j, d := range group.dimensions {
			drawn[i].point[d.Name], at[j] = values[j], d.coordinate(values[j])
		}
		ats[i] = at
	}
	// After ten thousand trials each score looks at ten thousand kernels.
	workers := min(runtime.GOMAXPROCS(0), candidates)
	var scoring sync.WaitGroup
	for w := range workers {
		scoring.Go(func() {
			for i := w; i < candidates; i += workers {
				drawn[i].score = l.logDensity(ats[i]) - g.logDensity(ats[i])
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
