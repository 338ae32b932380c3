package plugin

import (
	"slices"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

// BenchmarkStep is one training step across the process border, without any
// computation: row ids and availability of 256 rows there, h of 128 KiB back,
// dh of 128 KiB there. It reports the median of the steps, too.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name string
		cfg  Config
	}{
		{"socket/memfd", Config{}},
		{"socket/bytes", Config{NoSharedMemory: true}},
		{"grpc/memfd", Config{NoSockets: true}},
		{"grpc/bytes", Config{NoSockets: true, NoSharedMemory: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := start(b, c.cfg)
			req := openRequest("echo", 0)
			req.Width, req.MaxBatch = 128, 256
			s, err := OpenBackbone(b.Context(), p, req)
			if err != nil {
				b.Fatal(err)
			}
			step := sdk.ForwardRequest{Rows: make([]int32, 256), Availability: make([]uint64, 256), Mode: sdk.Train}
			var h sdk.ForwardResponse
			var steps []time.Duration
			for b.Loop() {
				began := time.Now()
				if err := s.Forward(b.Context(), step, &h); err != nil {
					b.Fatal(err)
				}
				if err := s.Backward(b.Context(), sdk.BackwardRequest{DH: h.H}, &sdk.BackwardResponse{}); err != nil {
					b.Fatal(err)
				}
				steps = append(steps, time.Since(began))
			}
			slices.Sort(steps)
			b.ReportMetric(float64(steps[len(steps)/2].Nanoseconds())/1e3, "median-µs")
		})
	}
}
