package plugin

import (
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

// BenchmarkStep is one training step across the process border, without any
// computation: row ids and availability of 256 rows there, h of 128 KiB back,
// dh of 128 KiB there.
func BenchmarkStep(b *testing.B) {
	for name, cfg := range map[string]Config{"memfd": {}, "bytes": {NoSharedMemory: true}} {
		b.Run(name, func(b *testing.B) {
			p := start(b, cfg)
			req := openRequest("echo", 0)
			req.Width, req.MaxBatch = 128, 256
			s, err := OpenBackbone(b.Context(), p, req)
			if err != nil {
				b.Fatal(err)
			}
			step := sdk.ForwardRequest{Rows: make([]int32, 256), Availability: make([]uint64, 256), Mode: sdk.Train}
			for b.Loop() {
				var h sdk.ForwardResponse
				if err := s.Forward(b.Context(), step, &h); err != nil {
					b.Fatal(err)
				}
				if err := s.Backward(b.Context(), sdk.BackwardRequest{DH: h.H}, &sdk.BackwardResponse{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
