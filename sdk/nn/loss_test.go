package nn

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A wide row of binary outcomes, whose entropies are summed as the logarithm of a
// product, against the definition, with and without outcomes that are absent.
func TestBCE_WideRows(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for _, n := range []int{15, 16, 17, 511, 512, 513, 1100} {
		for _, absent := range []bool{false, true} {
			z, y := random(r, n), random(r, n)
			for i := range z {
				z[i] *= 12
				if y[i] = float32(r.IntN(3)) / 2; absent && i%5 == 1 {
					y[i] = float32(math.NaN())
				}
			}
			z[0], z[n-1] = -95, 70
			tape := NewTape()
			v := tape.Leaf(1, n, z)
			loss := tape.BCE(v, y)
			loss.Grad[0] = 1
			tape.Backward()
			var want float64
			for i, target := range y {
				if target == target {
					x := float64(z[i])
					want += (math.Max(x, 0) - x*float64(target) + math.Log1p(math.Exp(-math.Abs(x)))) / float64(present(y))
				}
			}
			if got := float64(loss.Value[0]); math.Abs(got-want) > 1e-6*math.Abs(want) {
				t.Errorf("%d columns: the loss is %v, want %v", n, got, want)
			}
			for i, target := range y {
				slope := 0.0
				if target == target {
					slope = (1/(1+math.Exp(-float64(z[i]))) - float64(target)) / float64(present(y))
				}
				if got := float64(v.Grad[i]); math.Abs(got-slope) > 3e-7/float64(present(y)) {
					t.Errorf("%d columns: the slope at %d is %v, want %v", n, i, got, slope)
				}
			}
		}
	}
}
