package causal

import (
	"math"
	"math/rand/v2"
)

const (
	// lloydIterations bounds one fit.
	lloydIterations = 100
	// restarts run on at most sampleRows rows, the last fit on all of them.
	restarts   = 10
	sampleRows = 4096
)

// clusters are the centres of a k-means fit, [K, width], and the assignment of
// the rows it was fitted on.
type clusters struct {
	centres []float32
	assign  []int32
	inertia float64
}

// fitClusters runs k-means++ with restarts and keeps the lowest inertia. If the
// rows have fewer than k distinct values, some clusters stay empty.
func fitClusters(rows []float32, width, k int, r *rand.Rand) clusters {
	n := len(rows) / width
	sample := rows
	if n > sampleRows {
		sample = make([]float32, 0, sampleRows*width)
		for _, i := range r.Perm(n)[:sampleRows] {
			sample = append(sample, rows[i*width:(i+1)*width]...)
		}
	}
	best := clusters{inertia: math.Inf(1)}
	for range restarts {
		if c := lloyd(sample, width, seedCentres(sample, width, k, r)); c.inertia < best.inertia {
			best = c
		}
	}
	if n > sampleRows {
		return lloyd(rows, width, best.centres)
	}
	return best
}

// seedCentres draws k-means++ centres (Arthur and Vassilvitskii 2007).
func seedCentres(rows []float32, width, k int, r *rand.Rand) []float32 {
	n := len(rows) / width
	at := func(i int) []float32 { return rows[i*width : (i+1)*width] }
	centres := append(make([]float32, 0, k*width), at(r.IntN(n))...)
	distance := make([]float64, n)
	for i := range distance {
		distance[i] = math.Inf(1)
	}
	for len(centres) < k*width {
		last := centres[len(centres)-width:]
		total := 0.0
		for i := range distance {
			distance[i] = math.Min(distance[i], squaredDistance(at(i), last))
			total += distance[i]
		}
		target, chosen := r.Float64()*total, n-1
		for i, d := range distance {
			if target -= d; target < 0 {
				chosen = i
				break
			}
		}
		centres = append(centres, at(chosen)...)
	}
	return centres
}

// lloyd iterates from the given centres, which it does not change. A cluster
// that loses its rows keeps its centre, so that clusters keep their identity
// from one refresh of a dictionary to the next.
func lloyd(rows []float32, width int, start []float32) clusters {
	n, k := len(rows)/width, len(start)/width
	c := clusters{centres: append([]float32(nil), start...), assign: make([]int32, n)}
	for iteration := 0; ; iteration++ {
		changed := iteration == 0
		c.inertia = 0
		for i := range n {
			nearest, d := nearestCentre(rows[i*width:(i+1)*width], c.centres)
			c.inertia += d
			changed = changed || nearest != c.assign[i]
			c.assign[i] = nearest
		}
		if !changed || iteration == lloydIterations {
			return c
		}
		sum, count := make([]float64, k*width), make([]int, k)
		for i, a := range c.assign {
			count[a]++
			for j, v := range rows[i*width : (i+1)*width] {
				sum[int(a)*width+j] += float64(v)
			}
		}
		for a, m := range count {
			for j := range width {
				if m > 0 {
					c.centres[a*width+j] = float32(sum[a*width+j] / float64(m))
				}
			}
		}
	}
}

// nearestCentre returns the nearest centre, the first one on a tie, and its
// squared distance.
func nearestCentre(row, centres []float32) (int32, float64) {
	width := len(row)
	best, least := 0, math.Inf(1)
	for k := 0; k*width < len(centres); k++ {
		if d := squaredDistance(row, centres[k*width:(k+1)*width]); d < least {
			best, least = k, d
		}
	}
	return int32(best), least
}

func squaredDistance(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return sum
}
