package search

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// sobolBits is the number of binary digits of a coordinate; the sequence has
// 2^32 points.
const sobolBits = 32

// sobol draws from a scrambled Sobol sequence: coordinates are
// spread evenly, also jointly, and n points integrate smooth functions with an
// error near n^-3/2 (Owen, "Scrambled net variance for integrals of smooth
// functions", Ann. Statist. 25, 1997).
//
// The parameters of a cell take the sequence's dimensions in the order of their
// names, so adding one moves those behind it; adding trials changes nothing.
type sobol struct {
	space     *space
	source    Source
	trials    int
	dimension map[string]int // of the free parameters
	seeds     []uint64       // of the scrambling, by dimension
	found     []int          // number of the point of each trial that was looked for
}

func newSobol(s *space, source Source, trials int) (*sobol, error) {
	out := &sobol{space: s, source: source, trials: trials, dimension: map[string]int{}}
	for i := range s.Dimensions {
		d := &s.Dimensions[i]
		if !d.Free() || d.With != "" {
			continue
		}
		if len(out.dimension) == SobolDimensions {
			return nil, fmt.Errorf("the Sobol sequence has %d dimensions, the cell has more parameters", SobolDimensions)
		}
		sum := source.sum("sobol "+d.Name, 0)
		out.dimension[d.Name] = len(out.seeds)
		out.seeds = append(out.seeds, binary.LittleEndian.Uint64(sum[:]))
	}
	return out, nil
}

func (s *sobol) total() int               { return s.trials }
func (s *sobol) ready(*Machine, int) bool { return true }

// propose answers the next point of the sequence that satisfies the constraints.
func (s *sobol) propose(_ *Machine, k int) (Point, bool) {
	for len(s.found) <= k {
		n := 0
		if len(s.found) > 0 {
			n = s.found[len(s.found)-1] + 1
		}
		last := n + attempts
		for ; n < last && !s.space.allowed(s.point(n)); n++ {
		}
		if n == last {
			return nil, false
		}
		s.found = append(s.found, n)
	}
	return s.point(s.found[k]), true
}

func (s *sobol) point(n int) Point {
	return s.space.build(func(d *Dimension) any {
		j, ok := s.dimension[d.Name]
		if !ok {
			return d.At(0)
		}
		return d.At(float64(scramble(sobolPoint(n, j), s.seeds[j])) / (1 << sobolBits))
	})
}

// sobolPoint is coordinate dimension of point n, times 2^32. Points come in the
// order of the Gray code of n, as in SciPy.
func sobolPoint(n, dimension int) uint32 {
	var x uint32
	direction := sobolDirections(dimension)
	for gray := uint32(n) ^ uint32(n)>>1; gray != 0; gray &= gray - 1 {
		x ^= direction[bits.TrailingZeros32(gray)]
	}
	return x
}

// sobolDirections are the direction numbers of a dimension (Bratley and Fox,
// ACM Algorithm 659, 1988).
func sobolDirections(dimension int) [sobolBits]uint32 {
	var v [sobolBits]uint32
	d := directions[dimension]
	degree := bits.Len32(d.polynomial) - 1
	if degree < 1 {
		for i := range v {
			v[i] = 1 << (sobolBits - 1 - i)
		}
		return v
	}
	for i := range v {
		if i < degree {
			v[i] = d.initial[i] << (sobolBits - 1 - i)
			continue
		}
		v[i] = v[i-degree] ^ v[i-degree]>>degree
		for k := 1; k < degree; k++ {
			if d.polynomial>>(degree-k)&1 == 1 {
				v[i] ^= v[i-k]
			}
		}
	}
	return v
}

// scramble is Owen's nested uniform scrambling (Owen, "Randomly permuted
// (t,m,s)-nets and (t,s)-sequences", 1995): each binary digit is flipped by a
// random bit that depends on all digits before it.
func scramble(x uint32, seed uint64) uint32 {
	var out uint32
	for digit := range sobolBits {
		prefix := uint64(x) >> (sobolBits - digit) // of digit bits
		flip := uint32(mix(seed^mix(prefix|1<<digit)) >> 63)
		at := sobolBits - 1 - digit
		out |= (x>>at&1 ^ flip) << at
	}
	return out
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): it
// hashes 64 bits to 64 bits.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
