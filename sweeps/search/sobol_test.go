package search

import (
	"math"
	"testing"
)

// Without scrambling the sequence is SciPy's, in all dimensions.
func TestSobol_SciPy(t *testing.T) {
	var want [][]uint32
	fixture(t, "sobol.json", &want)
	if len(want) != 64 || len(want[0]) != SobolDimensions {
		t.Fatalf("got %d points", len(want))
	}
	for n, point := range want {
		for j, x := range point {
			if got := sobolPoint(n, j); got != x {
				t.Fatalf("point %d, dimension %d: got %d, want %d", n, j, got, x)
			}
		}
	}
}

// Scrambling keeps what makes the sequence a net: of 2^m points each of the 2^m
// slices of every coordinate holds one, and of every pair of the first
// coordinates each elementary box holds as many as without scrambling.
func TestScramble_KeepsTheNet(t *testing.T) {
	const m = 6
	for _, seed := range []uint64{0, 1, 12345} {
		for j := range 20 {
			seen := map[uint32]bool{}
			for n := range 1 << m {
				seen[scramble(sobolPoint(n, j), mix(seed+uint64(j)))>>(32-m)] = true
			}
			if len(seen) != 1<<m {
				t.Errorf("seed %d, dimension %d: %d of %d slices hold a point", seed, j, len(seen), 1<<m)
			}
		}
		for split := range m + 1 {
			boxes := map[[2]uint32]bool{}
			for n := range 1 << m {
				x, y := scramble(sobolPoint(n, 0), mix(seed)), scramble(sobolPoint(n, 1), mix(seed+1))
				boxes[[2]uint32{uint32(uint64(x) >> (32 - split)), uint32(uint64(y) >> (32 - (m - split)))}] = true
			}
			if len(boxes) != 1<<m {
				t.Errorf("seed %d, split %d: %d of %d boxes hold a point", seed, split, len(boxes), 1<<m)
			}
		}
	}
}

// The mean of a smooth function is far nearer to its integral than that of
// random points, and has no bias: over many scramblings it is the integral.
func TestSobol_Integrates(t *testing.T) {
	const n, repetitions = 256, 50
	dimensions := []Dimension{{Name: "x", Kind: Uniform, Max: 1}, {Name: "y", Kind: Uniform, Max: 1}, {Name: "z", Kind: Uniform, Max: 1}}
	prepared, err := Space{Dimensions: dimensions}.prepare()
	if err != nil {
		t.Fatal(err)
	}
	f := func(p Point) float64 {
		out := 1.0
		for _, d := range dimensions {
			v, _ := p[d.Name].(float64)
			out *= 1 + (v-0.5)*0.8
		}
		return out
	}
	squares := map[string]float64{}
	mean := 0.0
	for seed := range repetitions {
		source := Source{Seed: seed, Cell: []string{"a", "b", "c"}}
		s, err := newSobol(prepared, source, n)
		if err != nil {
			t.Fatal(err)
		}
		for name, sampler := range map[string]sampler{"sobol": s, "random": &random{space: prepared, source: source, trials: n}} {
			total := 0.0
			for k := range n {
				p, _ := sampler.propose(nil, k)
				total += f(p)
			}
			squares[name] += (total/n - 1) * (total/n - 1) / repetitions
			if name == "sobol" {
				mean += total / n / repetitions
			}
		}
	}
	if squares["sobol"] > squares["random"]/100 {
		t.Errorf("squared error %v, of random points %v", squares["sobol"], squares["random"])
	}
	if math.Abs(mean-1) > 5*math.Sqrt(squares["sobol"]/repetitions) {
		t.Errorf("mean %v, want 1", mean)
	}
}
