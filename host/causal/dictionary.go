package causal

import (
	"fmt"
	"math"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// dictionary holds the strata: the entries Z [K, width], their prior P [K] and
// the stratum of every training row. It is made of training rows only, and no
// gradient flows into it.
type dictionary struct {
	settings *Missingness
	seed     uint64
	patterns *patterns
	cells    [][2]int32 // class_pattern: kept pattern and class of every stratum

	size  int       // K
	width int       // columns of Z
	z     []float32 // nil until built
	prior []float64
	own   []int32 // stratum by training position; nil until built
	built bool

	context      []float32 // kmeans on availability: the rows it was fitted on
	fromFeatures bool      // Z or the strata are made of representations
}

// newDictionary builds what needs no representation. width is that of h.
func newDictionary(cfg Config, tr Training) (*dictionary, error) {
	m := cfg.Missingness
	d := &dictionary{settings: m, seed: cfg.Seed, patterns: newPatterns(tr.Availability, m.MinRows), width: cfg.Width}
	if n := len(tr.Availability); m.Dictionary == KMeans && n < m.Clusters {
		return nil, fmt.Errorf("missingness.clusters is %d, more than the %d training rows", m.Clusters, n)
	}
	switch m.Dictionary {
	case Pattern:
		d.size = len(d.patterns.kept)
		d.own = d.patterns.strata(tr.Availability)
		d.count()
		d.fromFeatures = m.Mode == NWGM || m.Code != OneHot
		d.built = !d.fromFeatures
	case ClassPattern:
		d.fromFeatures = true
		d.crossWithClass(cfg.Task, tr)
	case KMeans:
		d.size = m.Clusters
		d.fromFeatures = m.Context != ContextAvailability
		if d.fromFeatures {
			break
		}
		if err := d.availabilityContext(cfg.Modalities, tr); err != nil {
			return nil, err
		}
		d.fit(d.context, d.width)
	case Learnable:
		d.size = m.Clusters
		d.fromFeatures = m.Initial == InitialKMeans
		d.prior = uniform(d.size)
		d.built = !d.fromFeatures
	}
	return d, nil
}

// availabilityContext lays out [availability; covariates] of every training row.
func (d *dictionary) availabilityContext(modalities int, tr Training) error {
	d.width = modalities + tr.CovariateWidth
	d.context = make([]float32, 0, len(tr.Availability)*d.width)
	for i, a := range tr.Availability {
		for m := range modalities {
			d.context = append(d.context, float32(a>>uint(m)&1))
		}
		for _, v := range tr.Covariates[i*tr.CovariateWidth : (i+1)*tr.CovariateWidth] {
			if v != v || math.IsInf(float64(v), 0) {
				return fmt.Errorf("covariate of training row %d is %v, but missingness.context clusters it; fill it in or use another context", i, v)
			}
			d.context = append(d.context, v)
		}
	}
	return nil
}

// crossWithClass numbers the (pattern, class) cells that have training rows.
func (d *dictionary) crossWithClass(task Task, tr Training) {
	classes := int32(max(task.Classes, 2))
	number := make([]int32, int32(len(d.patterns.kept))*classes)
	for i, k := range d.patterns.strata(tr.Availability) {
		number[k*classes+int32(tr.Labels[i])] = 1
	}
	for cell, used := range number {
		if used == 0 {
			continue
		}
		number[cell] = int32(len(d.cells))
		d.cells = append(d.cells, [2]int32{int32(cell) / classes, int32(cell) % classes})
	}
	d.size = len(d.cells)
	d.own = make([]int32, len(tr.Availability))
	for i, k := range d.patterns.strata(tr.Availability) {
		d.own[i] = number[k*classes+int32(tr.Labels[i])]
	}
	d.count()
}

// count sets the prior to the share of training rows in each stratum.
func (d *dictionary) count() {
	d.prior = make([]float64, d.size)
	for _, k := range d.own {
		d.prior[k] += 1 / float64(len(d.own))
	}
}

// refresh rebuilds the dictionary from rows [N, width] in the order of the
// training split: representations, or z_b where that is the context.
func (d *dictionary) refresh(rows []float32, width int) {
	switch d.settings.Dictionary {
	case Pattern, ClassPattern:
		d.blend(strataMeans(rows, width, d.own, d.size))
	case KMeans:
		d.fit(rows, width)
	case Learnable: // only its initial value; the head copies it into the parameter
		d.z = fitClusters(rows, width, d.size, rng.Stream(d.seed, "dictionary")).centres
	}
	d.built = true
}

// fit clusters rows, from the present centres if there are any, so that a
// stratum keeps its number from one refresh to the next.
func (d *dictionary) fit(rows []float32, width int) {
	d.width = width
	if d.z == nil {
		d.z = fitClusters(rows, width, d.size, rng.Stream(d.seed, "dictionary")).centres
	} else {
		d.blend(lloyd(rows, width, d.z).centres)
	}
	d.own = make([]int32, len(rows)/width)
	for i := range d.own {
		d.own[i], _ = nearestCentre(rows[i*width:(i+1)*width], d.z)
	}
	d.count()
	d.built = true
}

// blend replaces Z, keeping the configured share of the old one.
func (d *dictionary) blend(z []float32) {
	if keep := float32(d.settings.Momentum); d.z != nil && keep > 0 {
		for i, v := range d.z {
			z[i] = keep*v + (1-keep)*z[i]
		}
	}
	d.z = z
}

// observed returns, [rows * K], how a row's own stratum is distributed given
// what is known of it when predicting: certain for strata made of the pattern or
// of context rows ([rows, width], nil where there is none), else the share of
// each stratum among training rows of the same pattern.
func (d *dictionary) observed(availability []uint64, context []float32, tr Training) []float64 {
	out := make([]float64, len(availability)*d.size)
	switch {
	case d.settings.Dictionary == Pattern:
		for i, a := range availability {
			out[i*d.size+int(d.patterns.stratum(a))] = 1
		}
	case context != nil:
		for i := range availability {
			k, _ := nearestCentre(context[i*d.width:(i+1)*d.width], d.z)
			out[i*d.size+int(k)] = 1
		}
	default:
		table := make([]float64, len(d.patterns.kept)*d.size)
		for i, k := range d.patterns.strata(tr.Availability) {
			table[int(k)*d.size+int(d.own[i])] += 1 / float64(d.patterns.rows[k])
		}
		for i, a := range availability {
			k := int(d.patterns.stratum(a))
			copy(out[i*d.size:(i+1)*d.size], table[k*d.size:(k+1)*d.size])
		}
	}
	return out
}

// strataMeans returns the mean row of each stratum; zero for an empty one.
func strataMeans(rows []float32, width int, own []int32, size int) []float32 {
	sum, count := make([]float64, size*width), make([]float64, size)
	for i, k := range own {
		count[k]++
		for j, v := range rows[i*width : (i+1)*width] {
			sum[int(k)*width+j] += float64(v)
		}
	}
	out := make([]float32, size*width)
	for i, v := range sum {
		if n := count[i/width]; n > 0 {
			out[i] = float32(v / n)
		}
	}
	return out
}

func uniform(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1 / float64(n)
	}
	return out
}

// contextOf returns the rows that decide the stratum when predicting; nil if the
// pattern does. biased is nil without dual branch.
func (d *dictionary) contextOf(h, biased *nn.Var) []float32 {
	switch {
	case d.settings.Dictionary != KMeans:
		return nil
	case d.settings.Context == ContextRepresentation:
		return h.Value
	case d.settings.Context == ContextBiased:
		return biased.Value
	}
	return nil
}

// needsRefresh reports whether the dictionary is rebuilt at the start of an
// epoch, given the first epoch that uses it.
func (d *dictionary) needsRefresh(epoch, first int) bool {
	if !d.fromFeatures || epoch < first {
		return false
	}
	if d.settings.Dictionary == Learnable {
		return !d.built
	}
	return !d.built || (epoch-first)%d.settings.Refresh == 0
}
