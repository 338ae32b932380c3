package sdk

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestTensor_Check(t *testing.T) {
	h := NewTensor(2, 3)
	if err := h.Check("h", 2, 3); err != nil {
		t.Error(err)
	}
	if err := h.Check("h", 3, 2); CodeOf(err) != CodeBadShape {
		t.Errorf("got %v, want bad_shape", err)
	}
	h.Data = h.Data[:5]
	if err := h.Check("h", 2, 3); CodeOf(err) != CodeBadShape {
		t.Errorf("got %v, want bad_shape", err)
	}
}

func TestTensor_CheckFinite(t *testing.T) {
	h := NewTensor(2, 3)
	h.Data[0] = math.MaxFloat32
	if err := h.CheckFinite("h"); err != nil {
		t.Error(err)
	}
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for i := range h.Data {
			h := NewTensor(2, 3)
			h.Data[i] = bad
			err := h.CheckFinite("h")
			if where := fmt.Sprintf("row %d, column %d", i/3, i%3); CodeOf(err) != CodeNotFinite || !strings.Contains(err.Error(), where) {
				t.Errorf("got %v, want not_finite in %s", err, where)
			}
		}
	}
}

// Every place in slices of every length and alignment is looked at.
func TestCheckFinite_everywhere(t *testing.T) {
	finite := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, -1}
	for n := range 20 {
		for from := range 2 {
			values := make([]float32, from+n)[from:]
			for i := range values {
				values[i] = finite[i%len(finite)]
			}
			if err := CheckFinite("h", values, 1); err != nil {
				t.Errorf("%d finite values from %d: %v", n, from, err)
			}
			for i := range values {
				was := values[i]
				for _, bits := range []uint32{0x7f800000, 0xff800000, 0x7f800001, 0xffffffff} {
					values[i] = math.Float32frombits(bits)
					if CodeOf(CheckFinite("h", values, 1)) != CodeNotFinite {
						t.Errorf("%v at %d of %d values from %d was not found", values[i], i, n, from)
					}
				}
				values[i] = was
			}
		}
	}
}

func BenchmarkCheckFinite(b *testing.B) {
	h := NewTensor(256, 128)
	for b.Loop() {
		if err := h.CheckFinite("h"); err != nil {
			b.Fatal(err)
		}
	}
}
