package stats

import (
	"math"
	"slices"
)

// measure computes the differences of all variants to a baseline under
// multiplicities of the patients. Its methods may be called from many goroutines.
type measure struct {
	pairs    []seedMeasure
	clusters int
	targets  int
	variants int
	longest  int // rows of a seed
	worse    func(a, b float64) bool
}

// seedMeasure is a pair with its groups made ready.
type seedMeasure struct {
	pair
	whole   bool // every row has weight 1, so that multiplicities are the weights
	floats  bool // some group needs the weights as floats
	targets []int
	groups  []armsMeasure
}

// armsMeasure is a metric of several arms on the same rows.
type armsMeasure interface {
	// values writes one value an arm.
	values(w rowWeights, out []float64)
	needsFloats(whole bool) bool
}

// rowWeights are the weights of the rows of a seed. counts are the multiplicities
// alone, which are the weights of rows of weight 1; float is nil if nobody needs it.
type rowWeights struct {
	float  []float64
	counts []int32
	whole  bool
}

func newMeasure(pairs []pair, variants, clusters, targets int, worse func(a, b float64) bool) *measure {
	m := &measure{variants: variants, clusters: clusters, targets: targets, worse: worse, pairs: make([]seedMeasure, len(pairs))}
	for s, p := range pairs {
		m.longest = max(m.longest, len(p.weights))
		seed := seedMeasure{pair: p, whole: !slices.ContainsFunc(p.weights, func(w float64) bool { return w != 1 })}
		for _, g := range p.groups {
			arms := together(g.arms)
			seed.floats = seed.floats || arms.needsFloats(seed.whole)
			seed.groups, seed.targets = append(seed.groups, arms), append(seed.targets, g.target)
		}
		m.pairs[s] = seed
	}
	return m
}

// scratch is what one evaluation of all differences needs.
type scratch struct {
	float  []float64
	counts []int32
	values []float64 // of the arms
	worst  []float64
	sums   []float64
	seeds  []float64
	out    []float64 // [variant × target]
}

func (m *measure) newScratch() *scratch {
	n := m.variants * m.targets
	return &scratch{
		float: make([]float64, m.longest), counts: make([]int32, m.longest),
		values: make([]float64, m.variants+1), worst: make([]float64, m.variants+1),
		sums: make([]float64, n), seeds: make([]float64, n), out: make([]float64, n),
	}
}

// add adds the differences of a seed, with patients that count clusters[c] times.
func (m *measure) add(s *scratch, seed seedMeasure, clusters []int32) {
	w := rowWeights{counts: s.counts[:len(seed.weights)], whole: seed.whole}
	for i, c := range seed.cluster {
		w.counts[i] = clusters[c]
	}
	if seed.floats {
		w.float = s.float[:len(seed.weights)]
		for i, base := range seed.weights {
			w.float[i] = base * float64(w.counts[i])
		}
	}
	put := func(target int, values []float64) {
		for v := range m.variants {
			if d := values[v+1] - values[0]; !math.IsNaN(d) {
				s.sums[v*m.targets+target] += d
				s.seeds[v*m.targets+target]++
			}
		}
	}
	for a := range s.worst {
		s.worst[a] = math.NaN()
	}
	for k, g := range seed.groups {
		g.values(w, s.values)
		put(seed.targets[k], s.values)
		if seed.targets[k] < targetPattern {
			continue
		}
		for a, v := range s.values {
			if math.IsNaN(s.worst[a]) || m.worse(v, s.worst[a]) {
				s.worst[a] = v
			}
		}
	}
	if m.targets > targetWorst {
		put(targetWorst, s.worst)
	}
}

// differences writes variant − baseline of every target to s.out, averaged over the
// seeds in which it is defined, with patients that count clusters[c] times.
func (m *measure) differences(s *scratch, clusters []int32) {
	clear(s.sums)
	clear(s.seeds)
	for _, seed := range m.pairs {
		m.add(s, seed, clusters)
	}
	for i := range s.out {
		s.out[i] = s.sums[i] / s.seeds[i] // 0/0 is NaN
	}
}

// estimates are the differences on the rows as they are: [variant][target].
func (m *measure) estimates() [][]float64 {
	s, out := m.newScratch(), make([][]float64, m.variants)
	m.differences(s, m.once())
	for v := range out {
		out[v] = s.out[v*m.targets : (v+1)*m.targets]
	}
	return out
}

// perSeed are those of single seeds: [variant][target][seed].
func (m *measure) perSeed() [][][]float64 {
	s, once, out := m.newScratch(), m.once(), make([][][]float64, m.variants)
	for v := range out {
		out[v] = make([][]float64, m.targets)
	}
	for _, seed := range m.pairs {
		clear(s.sums)
		clear(s.seeds)
		m.add(s, seed, once)
		for i := range s.sums {
			v, t := i/m.targets, i%m.targets
			out[v][t] = append(out[v][t], s.sums[i]/s.seeds[i])
		}
	}
	return out
}

func (m *measure) once() []int32 {
	once := make([]int32, m.clusters)
	for i := range once {
		once[i] = 1
	}
	return once
}

// together measures arms at once where that is cheaper than one after the other. The
// values are the same to the bit.
func together(list []evaluator) armsMeasure {
	if same, ok := asOne[losses](list); ok {
		return newFused(same, false)
	}
	if same, ok := asOne[root](list); ok {
		all := make([]losses, len(same))
		for i, r := range same {
			all[i] = losses(r)
		}
		return newFused(all, true)
	}
	if same, ok := asOne[area](list); ok {
		return areas(same)
	}
	return oneByOne(list)
}

// asOne says whether all are of one kind.
func asOne[T evaluator](list []evaluator) ([]T, bool) {
	out := make([]T, len(list))
	for i, e := range list {
		same, ok := e.(T)
		if !ok {
			return nil, false
		}
		out[i] = same
	}
	return out, true
}

type oneByOne []evaluator

func (o oneByOne) needsFloats(bool) bool { return true }

func (o oneByOne) values(w rowWeights, out []float64) {
	for a, e := range o {
		out[a] = e.value(w.float)
	}
}

// fused is the weighted mean of losses of arms on the same rows, or its root.
type fused struct {
	rows []int32
	loss []float64 // [rows, lanes], lanes a multiple of 4
	arms int
	root bool
}

const lanes = 4 // sums that are added up side by side

func newFused(list []losses, root bool) armsMeasure {
	width := (len(list) + lanes - 1) / lanes * lanes
	f := fused{arms: len(list), root: root, loss: make([]float64, len(list[0])*width)}
	for a, l := range list {
		for k, e := range l {
			if a == 0 {
				f.rows = append(f.rows, e.row)
			}
			f.loss[k*width+a] = e.loss
		}
	}
	return f
}

func (f fused) needsFloats(bool) bool { return true }

func (f fused) values(w rowWeights, out []float64) {
	width := (f.arms + lanes - 1) / lanes * lanes
	for from := 0; from < f.arms; from += lanes {
		var total, a, b, c, d float64
		for k, row := range f.rows {
			weight := w.float[row]
			loss := f.loss[k*width+from:][:lanes:lanes]
			total += weight
			a += weight * loss[0]
			b += weight * loss[1]
			c += weight * loss[2]
			d += weight * loss[3]
		}
		for i, sum := range [lanes]float64{a, b, c, d} {
			if from+i < f.arms {
				out[from+i] = sum / total // 0/0 is NaN
				if f.root {
					out[from+i] = math.Sqrt(out[from+i])
				}
			}
		}
	}
}

// areas are the AUROCs of arms. Where weights are multiplicities the sums are whole
// numbers, exact in integers as in floats.
type areas []area

func (a areas) needsFloats(whole bool) bool { return !whole }

func (a areas) values(w rowWeights, out []float64) {
	for i, r := range a {
		if w.whole {
			out[i] = r.counted(w.counts)
		} else {
			out[i] = r.value(w.float)
		}
	}
}
