//go:build !race

package graph_test

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/graph"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// use is what the process holds.
type use struct {
	resident int64  // bytes
	objects  uint64 // on the heap
	mallocs  uint64 // since the start
}

func measure(t *testing.T) use {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return use{pages * int64(os.Getpagesize()), stats.HeapObjects, stats.Mallocs}
}

// TestModel_Memory makes 100,000 steps of training, among them smaller batches,
// evaluations and forward passes that are abandoned, of a graph with fused
// operations, blocks and stock operations. Resident memory may end 4 MiB above
// where it was after 2,000 steps, which is 42 bytes a step, and 1,000 more objects
// may be on the heap; the last steps allocate no more than the first.
func TestModel_Memory(t *testing.T) {
	const rows, warm, few, many = 4, 2_000, 1_000, 100_000
	c := config(rows, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 3}, sdk.Modality{Name: "b", Kind: sdk.Tabular, Width: 2})
	m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
		x := b.Dropout(b.Columns(b.Encode(3, 3, 0.25)...), 0.25)
		x = b.ReLU(b.Dense("hidden", x, 4))
		x = gorgonia.Must(gorgonia.Tanh(x))
		return b.Dense("h", b.LayerNorm("norm", x), c.Width)
	})
	if err != nil {
		t.Fatal(err)
	}
	optimizer, err := nn.NewOptimizer(m.Params(), nn.OptimizerConfig{Name: "adam", LearningRate: 1e-3})
	if err != nil {
		t.Fatal(err)
	}
	loader := backbone.NewLoader(c.Modalities, &ramp{rows: rows, width: 3})
	params, dh := m.Params(), make([]float32, rows*c.Width)
	for i := range dh {
		dh[i] = 0.1
	}
	positions, availability := []int32{0, 1, 2, 3}, []uint64{3, 1, 2, 3}
	forward := func(step, size int, training bool) {
		var batch *backbone.Batch
		var err error
		if training {
			batch, err = loader.Train(positions[:size], availability[:size], nil, rng.Stream(1, uint64(step)))
		} else {
			batch, err = loader.Eval(positions[:size], availability[:size])
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Forward(batch); err != nil {
			t.Fatal(err)
		}
	}
	train := func(steps int) {
		for step := range steps {
			size := rows
			switch step % 100 {
			case 0:
				forward(step, rows, false)
			case 1:
				forward(step, rows, true) // abandoned by the next
			case 2:
				size = 1
			}
			forward(step, size, true)
			for _, p := range params {
				clear(p.Grad)
			}
			if _, err := m.Backward(dh[:size*c.Width]); err != nil {
				t.Fatal(err)
			}
			optimizer.Step()
		}
	}

	train(warm)
	start := measure(t)
	train(few)
	early := measure(t)
	train(many - few)
	before := measure(t)
	train(few)
	end := measure(t)

	if grown := end.resident - start.resident; grown > 4<<20 {
		t.Errorf("resident memory grew by %d bytes in %d steps", grown, many)
	}
	if end.objects > start.objects+1000 {
		t.Errorf("objects on the heap grew from %d to %d in %d steps", start.objects, end.objects, many)
	}
	first, last := (early.mallocs-start.mallocs)/few, (end.mallocs-before.mallocs)/few
	if last > first+1 {
		t.Errorf("a step makes %d allocations at first and %d after %d steps", first, last, many)
	}
	t.Logf("resident %d to %d bytes, objects %d to %d, %d and %d allocations a step", start.resident, end.resident, start.objects, end.objects, first, last)
}

// TestModel_Allocations checks that a steady step of fused operations allocates
// nothing, with rows missing and without, in batches as large as the graph and smaller.
func TestModel_Allocations(t *testing.T) {
	const rows = 8
	c := config(rows, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 3}, sdk.Modality{Name: "b", Kind: sdk.Tabular, Width: 2})
	m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
		parts := b.Encode(16, 5, 0.25)
		x := b.Reshape(b.Columns(parts...), rows*2, 16)
		y := b.LayerNorm("norm", x)
		y = b.Attention(b.Dense("query", y, 16), b.Dense("key", y, 16), b.Dense("value", y, 16), 2, 2, b.Availability())
		y = b.Reshape(b.Sum(x, b.GELU(b.Dense("wide", y, 16))), rows, 32)
		gate := b.MaskedSoftmax(b.Dense("gate", b.Columns(parts...), 2), b.Availability())
		y = b.MulRows(b.Dropout(b.Tanh(b.Dense("z", y, 9)), 0.5), b.Slice(gate, 0, 1))
		return b.Dense("h", b.Mul(y, b.Sigmoid(b.ReLU(b.Dense("w", parts[0], 9)))), c.Width)
	})
	if err != nil {
		t.Fatal(err)
	}
	loader := backbone.NewLoader(c.Modalities, &ramp{rows: rows, width: 3})
	dh := make([]float32, rows*c.Width)
	for name, seen := range map[string][]uint64{
		"whole": {3, 3, 3, 3, 3, 3, 3, 3}, "missing": {3, 1, 2, 0, 1, 2, 3, 2}, "few": {3, 1, 2},
	} {
		positions := []int32{0, 1, 2, 3, 4, 5, 6, 7}[:len(seen)]
		r := rng.Stream(1)
		step := func() {
			batch, err := loader.Train(positions, seen, nil, r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Forward(batch); err != nil {
				t.Fatal(err)
			}
			backbone.ZeroGrad(m)
			if _, err := m.Backward(dh[:len(seen)*c.Width]); err != nil {
				t.Fatal(err)
			}
		}
		step()
		step()
		if n := testing.AllocsPerRun(20, step); n != 0 {
			t.Errorf("%s: a step makes %v allocations", name, n)
		}
	}
}
