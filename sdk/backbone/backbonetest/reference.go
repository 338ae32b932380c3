package backbonetest

import (
	"encoding/json"
	"hash/fnv"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/rng"
)

// fixture is what testdata/reference.py of a plugin computes with PyTorch.
type fixture struct {
	Hyperparameters map[string]any
	Width           int
	Modalities      []struct {
		Name          string
		Width, Length int // Length 0 is an embedding, -1 a table
	}
	H, Eval []float64
	Terms   []sdk.Term
	// Gradients of Σ h·dh + Σ terms: a product with a drawn direction and the norm.
	Gradients map[string]struct {
		Shape       [2]int
		Along, Norm float64
	}
}

// Reference compares h, the auxiliary losses and the gradients of a training batch,
// and h in eval mode, with what an independent implementation in PyTorch computed
// for the same parameters and inputs: testdata/reference.json of the plugin, made by
// testdata/reference.py. Values agree to 1e-5, gradients to 1e-4. Where a model draws
// more than dropout, which is off, build must make it do what the reference does.
func Reference(t *testing.T, info sdk.Info, build func(backbone.Config) (backbone.Model, error)) {
	t.Helper()
	data, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatalf("read fixture: %v", err)
	}
	var want fixture
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatalf("decode fixture: %v", err)
	}
	const rows = 16
	s := &suite{info: info, build: build}
	c := s.config(t, sdk.Task{Kind: sdk.Binary})
	c.Width, c.Modalities = want.Width, nil
	if c.Hyperparameters, err = info.Complete(want.Hyperparameters); err != nil {
		t.Fatalf("hyperparameters: %v", err)
	}
	source := &table{rows: rows, availability: make([]uint64, rows)}
	for _, m := range want.Modalities {
		kind := sdk.Embedding
		switch {
		case m.Length > 0:
			kind = sdk.Sequence
		case m.Length < 0:
			kind = sdk.Tabular
		}
		modality := sdk.Modality{Name: m.Name, Kind: kind, Width: m.Width, Length: max(m.Length, 0)}
		c.Modalities = append(c.Modalities, modality)
		source.values = append(source.values, drawn("x."+m.Name, rows*size(modality)))
		lengths := make([]int32, rows)
		for i := range lengths {
			lengths[i] = int32(1 + i%max(m.Length, 1))
			for j := int(lengths[i]) * m.Width; j < size(modality); j++ {
				source.values[len(source.values)-1][i*size(modality)+j] = 0
			}
		}
		source.lengths = append(source.lengths, lengths)
	}
	source.modalities = c.Modalities
	labels := make([]float32, rows)
	for i := range rows {
		source.availability[i] = uint64(i % 8)
		labels[i] = float32(i % 3 % 2)
	}

	m := s.model(t, c)
	names := map[string]bool{}
	for _, p := range m.Params() {
		names[p.Name] = true
		if g, known := want.Gradients[p.Name]; known && g.Shape != [2]int{p.Rows, p.Cols} {
			t.Fatalf("parameter %s is [%d, %d], in the reference %v", p.Name, p.Rows, p.Cols, g.Shape)
		}
		for i, v := range drawn(p.Name, len(p.Value)) {
			p.Value[i] = v * 0.5
		}
		clear(p.Grad)
	}
	for name := range want.Gradients {
		if !names[name] {
			t.Errorf("the model has no parameter %s, the reference has", name)
		}
	}
	loader := backbone.NewLoader(c.Modalities, source)
	b, err := loader.Train(sequence(rows), source.availability, labels, rng.Stream(1))
	if err != nil {
		t.Fatalf("batch: %v", err)
	}
	h, err := m.Forward(b)
	if err != nil {
		t.Fatalf("forward: %v", err)
	}
	agree(t, "h in training", slices.Clone(h), want.H)
	terms, err := m.Backward(drawn("dh", len(h)))
	if err != nil {
		t.Fatalf("backward: %v", err)
	}
	if len(terms) != len(want.Terms) {
		t.Fatalf("%d terms, want %d", len(terms), len(want.Terms))
	}
	for i, w := range want.Terms {
		if terms[i].Name != w.Name || !(math.Abs(terms[i].Value-w.Value) <= 1e-5*max(1, math.Abs(w.Value))) {
			t.Errorf("term %+v, want %+v", terms[i], w)
		}
	}
	for _, p := range m.Params() {
		w, known := want.Gradients[p.Name]
		if !known {
			t.Errorf("the reference has no parameter %s", p.Name)
			continue
		}
		var along, square float64
		for i, v := range drawn("along."+p.Name, len(p.Grad)) {
			along += float64(v) * float64(p.Grad[i])
			square += float64(p.Grad[i]) * float64(p.Grad[i])
		}
		if tolerance := 1e-4 * max(0.1, w.Norm); !(math.Abs(along-w.Along) <= tolerance && math.Abs(math.Sqrt(square)-w.Norm) <= tolerance) {
			t.Errorf("gradient of %s has norm %v and product %v, want %v and %v", p.Name, math.Sqrt(square), along, w.Norm, w.Along)
		}
	}
	if b, err = loader.Eval(sequence(rows), source.availability); err != nil {
		t.Fatalf("batch: %v", err)
	}
	if h, err = m.Forward(b); err != nil {
		t.Fatalf("forward: %v", err)
	}
	evaluated := want.Eval
	if evaluated == nil {
		evaluated = want.H
	}
	agree(t, "h in eval mode", h, evaluated)
}

func agree(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d values, want %d", name, len(got), len(want))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= 1e-5*max(1, math.Abs(w))) {
			t.Fatalf("%s: value %d is %v, want %v", name, i, got[i], w)
		}
	}
}

// drawn are n numbers from -1 to 1 that depend on the name alone: SplitMix64 from its
// FNV-1a hash, as draw in testdata/reference.py.
func drawn(name string, n int) []float32 {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	key := hash.Sum64()
	out := make([]float32, n)
	for i := range out {
		key += 0x9e3779b97f4a7c15
		z := key
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		out[i] = float32(float64(z>>11)*0x1p-52 - 1)
	}
	return out
}
