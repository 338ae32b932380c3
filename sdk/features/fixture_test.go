package features

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/deconfound/deconfound/sdk/features/npy"
	"github.com/deconfound/deconfound/sdk/rng"
)

var update = flag.Bool("update", false, "write testdata/gather anew (the tests still fail where a bit changed)")

// gathered is testdata/gather/request.json: what is read from the store beside it.
type gathered struct {
	Rows       []int32
	Modalities []gatheredModality
}

type gatheredModality struct {
	Name                      string
	Mean, Scale               []float32
	Directions                int
	Read, Write, ErasedOffset []float32
}

// The values that other languages are held to, bit for bit: sdk/python reads the
// same store. go test ./sdk/features -run Gather_fixture -update makes it.
func TestStore_Gather_fixture(t *testing.T) {
	dir := filepath.Join("testdata", "gather")
	if *update {
		writeFixture(t, dir)
	}
	text, err := os.ReadFile(filepath.Join(dir, "request.json"))
	if err != nil {
		t.Fatal(err)
	}
	var request gathered
	if err := json.Unmarshal(text, &request); err != nil {
		t.Fatal(err)
	}
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for i, m := range request.Modalities {
		got := make([]float32, len(request.Rows)*store.Modalities()[i].RowSize())
		scaling := Scaling{Mean: m.Mean, Scale: m.Scale, Erasure: Erasure{m.Directions, m.Read, m.Write, m.ErasedOffset}}
		if err := store.Gather(i, request.Rows, scaling, got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "want_"+m.Name+".npy")
		if *update {
			var out bytes.Buffer
			if err := npy.Write(&out, got, len(got)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := npy.Read[float32](data)
		if err != nil {
			t.Fatal(err)
		}
		if len(want) != len(got) {
			t.Fatalf("%s: %d values, want %d", m.Name, len(got), len(want))
		}
		for j := range got {
			if math.Float32bits(got[j]) != math.Float32bits(want[j]) {
				t.Fatalf("%s: value %d is %v, want %v", m.Name, j, got[j], want[j])
			}
		}
	}
}

// writeFixture makes a store with missing and infinite cells, a year-like column, a
// constant one, values that overflow when scaled and sequences of all lengths.
func writeFixture(t *testing.T, dir string) {
	t.Helper()
	const rows, length = 40, 5
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	index := Index{Rows: rows, Modalities: []Modality{
		{Name: "table", Kind: Tabular, Width: 7, Columns: []string{"a", "b", "c", "d", "e", "f", "g"}},
		{Name: "series", Kind: Sequence, Width: 3, Length: length},
		{Name: "plain", Kind: Embedding, Width: 4},
	}}
	r := rng.Stream(1, "fixture")
	normals := func(n int, scale float64) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(r.NormFloat64() * scale)
		}
		return out
	}
	var values []Values
	request := gathered{Rows: []int32{0, 39, 7, 7}}
	for range 28 {
		request.Rows = append(request.Rows, int32(r.IntN(rows)))
	}
	for _, m := range index.Modalities {
		v := Values{Data: normals(rows*m.RowSize(), 10)}
		for j := range v.Data {
			switch {
			case j%m.Width == 1:
				v.Data[j] += 2000 // a year
			case r.IntN(9) == 0:
				v.Data[j] = float32(math.NaN())
			case r.IntN(40) == 0:
				v.Data[j] = float32(math.Inf(1 - 2*r.IntN(2)))
			}
		}
		v.Data[0] = math.MaxFloat32
		if m.Kind == Sequence {
			for row := range rows {
				v.Lengths = append(v.Lengths, int32(row%(length+1)))
			}
		}
		values = append(values, v)
		g := gatheredModality{Name: m.Name}
		if m.Kind != Embedding {
			g.Mean, g.Scale = normals(m.Width, 3), normals(m.Width, 0.5)
			for c := range g.Scale {
				g.Scale[c] = max(g.Scale[c], -g.Scale[c])
			}
			g.Mean[1], g.Scale[2] = 2000, 0
			g.Directions = 2
			g.Read, g.Write, g.ErasedOffset = normals(2*m.Width, 0.5), normals(2*m.Width, 0.5), normals(2, 1)
		}
		request.Modalities = append(request.Modalities, g)
	}
	if err := Write(dir, index, values); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(request, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "request.json"), append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}
