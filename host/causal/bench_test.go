package causal

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
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
		p.apply(x, y, width, share, 0.1, dx, dy)
	}
}

// Batches of 256 rows, width 64, 4 modalities, 15 patterns.
func benchmarkHead(b *testing.B, missingness, dual map[string]any) (h *Head, batch Batch, rep []float32) {
	b.Helper()
	const rows, width = 2048, 64
	r := rng.Stream(1, "bench")
	tr := Training{}
	for range rows {
		tr.Availability = append(tr.Availability, uint64(1+r.IntN(15)))
		tr.Labels = append(tr.Labels, float32(r.IntN(2)))
	}
	cfg := Config{
		Task: Task{Kind: Binary}, Width: width, Modalities: 4, Hidden: 32, Dropout: 0.1, Epochs: 3, Seed: 1,
		Optimizer: nn.OptimizerConfig{Name: "adamw", LearningRate: 1e-3},
	}
	var err error
	if missingness != nil {
		if cfg.Missingness, err = ParseMissingness(missingness); err != nil {
			b.Fatal(err)
		}
	}
	if dual != nil {
		if cfg.DualBranch, err = ParseDualBranch(dual); err != nil {
			b.Fatal(err)
		}
	}
	if h, err = New(cfg, tr); err != nil {
		b.Fatal(err)
	}
	all := normals(r, rows*width)
	if h.NeedsRepresentations(2) {
		if err := h.Refresh(2, all); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 256 {
		batch.Positions = append(batch.Positions, int32(i))
	}
	batch.Availability, batch.Labels = tr.Availability[:256], tr.Labels[:256]
	return h, batch, all[:256*width]
}

func benchmarkEach(b *testing.B, run func(b *testing.B, h *Head, batch Batch, rep []float32)) {
	for name, v := range map[string][2]map[string]any{
		"erm": {}, "md": {{}, nil}, "db": {nil, {}}, "md_db": {{}, {}},
	} {
		b.Run(name, func(b *testing.B) {
			h, batch, rep := benchmarkHead(b, v[0], v[1])
			run(b, h, batch, rep)
		})
	}
}

func BenchmarkStep(b *testing.B) {
	benchmarkEach(b, func(b *testing.B, h *Head, batch Batch, rep []float32) {
		step := uint64(0)
		for b.Loop() {
			if _, err := h.Forward(rep, batch, 2, step); err != nil {
				b.Fatal(err)
			}
			if _, _, err := h.Backward(nil, nil); err != nil {
				b.Fatal(err)
			}
			step++
		}
	})
}

func BenchmarkPredict(b *testing.B) {
	benchmarkEach(b, func(b *testing.B, h *Head, batch Batch, rep []float32) {
		if _, err := h.Forward(rep, batch, 2, 0); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := h.Predict(rep, batch.Availability); err != nil {
				b.Fatal(err)
			}
		}
	})
}
