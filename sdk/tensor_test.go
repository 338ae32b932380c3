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

func BenchmarkCheckFinite(b *testing.B) {
	h := NewTensor(256, 128)
	for b.Loop() {
		if err := h.CheckFinite("h"); err != nil {
			b.Fatal(err)
		}
	}
}
