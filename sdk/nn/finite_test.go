package nn

import (
	"math"
	"testing"
)

// Every place in slices of every length and alignment is looked at, with and
// without assembly.
func TestAllFinite(t *testing.T) {
	finite := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -1}
	both := func(values []float32) (is, plain bool) { return AllFinite(values), allFinite(values) }
	for n := range 30 {
		for from := range 2 {
			values := make([]float32, from+n)[from:]
			for i := range values {
				values[i] = finite[i%len(finite)]
			}
			if is, plain := both(values); !is || !plain {
				t.Errorf("%d finite values from %d are not: %v, %v", n, from, is, plain)
			}
			for i := range values {
				was := values[i]
				for _, bits := range []uint32{0x7f800000, 0xff800000, 0x7f800001, 0xffffffff} {
					values[i] = math.Float32frombits(bits)
					if is, plain := both(values); is || plain {
						t.Errorf("%v at %d of %d values from %d was not found: %v, %v", values[i], i, n, from, is, plain)
					}
				}
				values[i] = was
			}
		}
	}
}
