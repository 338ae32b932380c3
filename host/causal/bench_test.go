package causal

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

func BenchmarkHSIC(b *testing.B) {
	const rows, width = 256, 64
	r := rng.Stream(1, "bench")
	x, y := normals(r, rows*width), normals(r, rows*width)
	dx, dy := make([]float32, rows*width), make([]float32, rows*width)
	share, _ := shares(nil, rows)
	p := newHSIC()
	for b.Loop() {
		p.apply(x, y, width, share, 0.1, dx, dy, 0)
	}
}
