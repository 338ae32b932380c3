package features

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var nan = float32(math.NaN())

func write(t interface {
	Fatal(...any)
	Helper()
}, dir string, index Index, values []Values) *Store {
	t.Helper()
	if err := Write(dir, index, values); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func example(t *testing.T) (*Store, string) {
	dir := t.TempDir()
	s := write(t, dir, Index{Rows: 3, Modalities: []Modality{
		{Name: "labs", Kind: Tabular, Width: 2, Columns: []string{"hb", "na"}},
		{Name: "visits", Kind: Sequence, Width: 1, Length: 3},
	}}, []Values{
		{Data: []float32{10, nan, 12, 140, float32(math.Inf(1)), 138}},
		{Data: []float32{1, 2, nan, 5, nan, 7, nan, nan, nan}, Lengths: []int32{2, 3, 0}},
	})
	t.Cleanup(func() { s.Close() })
	return s, dir
}

func TestStore_Gather(t *testing.T) {
	s, _ := example(t)
	got := make([]float32, 8)
	scaling := Scaling{Mean: []float32{11, 139}, Scale: []float32{2, 0}}
	if err := s.Gather(0, []int32{1, 0, 2, 1}, scaling, got); err != nil {
		t.Fatal(err)
	}
	want := []float32{.5, 0, -.5, 0, 0, 0, .5, 0}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestStore_GatherSequence(t *testing.T) {
	s, _ := example(t)
	got := []float32{9, 9, 9, 9, 9, 9, 9, 9, 9}
	if err := s.Gather(1, []int32{0, 1, 2}, Scaling{Mean: []float32{3}, Scale: []float32{1}}, got); err != nil {
		t.Fatal(err)
	}
	want := []float32{-2, -1, 0, 2, 0, 4, 0, 0, 0}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	lengths := make([]int32, 3)
	if err := s.Lengths(1, []int32{2, 1, 0}, lengths); err != nil {
		t.Fatal(err)
	}
	if lengths[0] != 0 || lengths[1] != 3 || lengths[2] != 2 {
		t.Errorf("got lengths %v, want [0 3 2]", lengths)
	}
	if err := s.Lengths(0, []int32{0}, lengths[:1]); err == nil {
		t.Error("lengths of a tabular modality: got no error")
	}
}

func TestStore_Lookup(t *testing.T) {
	s, _ := example(t)
	if i, ok := s.Lookup("visits"); i != 1 || !ok {
		t.Errorf("got %d, %v, want 1, true", i, ok)
	}
	if _, ok := s.Lookup("image"); ok {
		t.Error("found a modality that is not there")
	}
}

func TestStore_GatherErrBounds(t *testing.T) {
	s, _ := example(t)
	dst := make([]float32, 2)
	for name, call := range map[string]func() error{
		"row below":      func() error { return s.Gather(0, []int32{-1}, Scaling{}, dst) },
		"row above":      func() error { return s.Gather(0, []int32{3}, Scaling{}, dst) },
		"modality below": func() error { return s.Gather(-1, []int32{0}, Scaling{}, dst) },
		"modality above": func() error { return s.Gather(2, []int32{0}, Scaling{}, dst) },
		"dst too short":  func() error { return s.Gather(0, []int32{0, 1}, Scaling{}, dst) },
		"scaling":        func() error { return s.Gather(0, []int32{0}, Scaling{Mean: []float32{0}}, dst) },
		"raw row":        func() error { _, err := s.Raw(0, 3); return err },
	} {
		if call() == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Gather(0, []int32{0}, Scaling{}, dst); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after close: got error %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestStore_Gather_erasure(t *testing.T) {
	nan := float32(math.NaN())
	s := write(t, t.TempDir(), Index{Rows: 2, Modalities: []Modality{
		{Name: "labs", Kind: Tabular, Width: 2},
		{Name: "visits", Kind: Sequence, Width: 1, Length: 3},
	}}, []Values{
		{Data: []float32{3, nan, 5, 7}},
		{Data: []float32{1, 2, nan, 4, nan, nan}, Lengths: []int32{2, 1}},
	})
	defer s.Close()
	labs := Scaling{Mean: []float32{1, 3}, Scale: []float32{2, 4}, Erasure: Erasure{
		Directions: 2,
		Read:       []float32{1, 2, -1, 0},
		Write:      []float32{0.5, 0.25, 1, 1},
		Offset:     []float32{1, 3},
	}}
	// z = (1, 0) has components 0 and -4, z = (2, 1) has 3 and -5.
	want := []float32{5, 4, 2 - 1.5 + 5, 1 - 0.75 + 5}
	got := make([]float32, 4)
	if err := s.Gather(0, []int32{0, 1}, labs, got); err != nil || !slices.Equal(got, want) {
		t.Errorf("tabular: got %v, %v, want %v", got, err, want)
	}
	// Every step within the length, and none beyond it.
	visits := Scaling{Erasure: Erasure{Directions: 1, Read: []float32{1}, Write: []float32{0.5}, Offset: []float32{2}}}
	want = []float32{1.5, 2, 0, 3, 0, 0}
	got = make([]float32, 6)
	if err := s.Gather(1, []int32{0, 1}, visits, got); err != nil || !slices.Equal(got, want) {
		t.Errorf("sequence: got %v, %v, want %v", got, err, want)
	}
	visits.Erasure.Write = nil
	if err := s.Gather(1, []int32{0}, visits, got[:3]); err == nil || !strings.Contains(err.Error(), "erasure of 1 directions") {
		t.Errorf("an erasure without values: got %v", err)
	}
}

// Whatever bits the file and the scaling hold, Gather gives finite numbers.
func TestStore_GatherFinite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, width, length := rapid.IntRange(1, 6).Draw(t, "rows"), rapid.IntRange(1, 4).Draw(t, "width"), rapid.IntRange(1, 4).Draw(t, "length")
		bits := rapid.Custom(func(t *rapid.T) float32 {
			return math.Float32frombits(rapid.OneOf(
				rapid.Uint32(), rapid.SampledFrom([]uint32{0x7fc00000, 0xff800000, 0x7f800000, 0x7f7fffff, 1}),
			).Draw(t, "bits"))
		})
		n := rows * length * width
		dir, err := os.MkdirTemp("", "features")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := write(t, dir, Index{Rows: rows, Modalities: []Modality{{Name: "x", Kind: Sequence, Width: width, Length: length}}},
			[]Values{{
				Data:    rapid.SliceOfN(bits, n, n).Draw(t, "values"),
				Lengths: rapid.SliceOfN(rapid.Int32Range(0, int32(length)), rows, rows).Draw(t, "lengths"),
			}})
		defer s.Close()
		scaling := Scaling{
			Mean:  rapid.SliceOfN(bits, width, width).Draw(t, "mean"),
			Scale: rapid.SliceOfN(bits, width, width).Draw(t, "scale"),
		}
		pick := rapid.SliceOfN(rapid.Int32Range(0, int32(rows-1)), 1, 8).Draw(t, "pick")
		dst := make([]float32, len(pick)*length*width)
		if err := s.Gather(0, pick, scaling, dst); err != nil {
			t.Fatal(err)
		}
		for i, x := range dst {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				t.Fatalf("value %d is %v", i, x)
			}
		}
	})
}

func TestOpen_ErrDamaged(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"no index":       func(dir string) error { return os.Remove(filepath.Join(dir, IndexFile)) },
		"no array":       func(dir string) error { return os.Remove(filepath.Join(dir, "m00.npy")) },
		"no lengths":     func(dir string) error { return os.Remove(filepath.Join(dir, "m01_lengths.npy")) },
		"truncated":      func(dir string) error { return os.Truncate(filepath.Join(dir, "m00.npy"), 100) },
		"empty":          func(dir string) error { return os.Truncate(filepath.Join(dir, "m00.npy"), 0) },
		"other rows":     replace(`"rows": 3`, `"rows": 4`),
		"other width":    replace(`"width": 1`, `"width": 2`),
		"unknown field":  replace(`"rows": 3`, `"rows": 3, "labels": "y.npy"`),
		"format":         replace(`"format": 1`, `"format": 2`),
		"escaping path":  replace(`"m00.npy"`, `"../m00.npy"`),
		"unknown kind":   replace(`"tabular"`, `"image"`),
		"duplicate name": replace(`"visits"`, `"labs"`),
	} {
		_, dir := example(t)
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(dir); err == nil {
			s.Close()
			t.Errorf("%s: opened a damaged store", name)
		}
	}
}

func replace(old, text string) func(string) error {
	return func(dir string) error {
		path := filepath.Join(dir, IndexFile)
		before, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, []byte(strings.Replace(string(before), old, text, 1)), 0o644)
	}
}

func TestWrite_ErrShape(t *testing.T) {
	one := Index{Rows: 2, Modalities: []Modality{{Name: "x", Kind: Tabular, Width: 2}}}
	if err := Write(t.TempDir(), one, []Values{{Data: make([]float32, 3)}}); err == nil {
		t.Error("too few values: got no error")
	}
	if err := Write(t.TempDir(), one, nil); err == nil {
		t.Error("no values: got no error")
	}
	long := Index{Rows: 1, Modalities: []Modality{{Name: "x", Kind: Sequence, Width: 1, Length: 2}}}
	if err := Write(t.TempDir(), long, []Values{{Data: make([]float32, 2), Lengths: []int32{3}}}); err == nil {
		t.Error("length beyond the array: got no error")
	}
}

func BenchmarkStore_Gather(b *testing.B) {
	const rows, width = 10000, 64
	dir := b.TempDir()
	s := write(b, dir, Index{Rows: rows, Modalities: []Modality{{Name: "x", Kind: Tabular, Width: width}}},
		[]Values{{Data: make([]float32, rows*width)}})
	defer s.Close()
	pick := make([]int32, 256)
	for i := range pick {
		pick[i] = int32(i * 37 % rows)
	}
	scaling := Scaling{Mean: make([]float32, width), Scale: make([]float32, width)}
	for i := range scaling.Scale {
		scaling.Scale[i] = 2
	}
	dst := make([]float32, 256*width)
	b.SetBytes(int64(len(dst) * 4))
	for b.Loop() {
		if err := s.Gather(0, pick, scaling, dst); err != nil {
			b.Fatal(err)
		}
	}
}

// Stores on the same files share their memory, and a file of the same name that
// came later is another one.
func TestOpen_shares(t *testing.T) {
	first, dir := example(t)
	count := func() int {
		mapped.Lock()
		defer mapped.Unlock()
		return len(mapped.files)
	}
	before := count()
	second, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if &first.arrays[0].values[0] != &second.arrays[0].values[0] || count() != before {
		t.Errorf("%d files in memory after the second Open, %d before", count(), before)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	path := filepath.Join(dir, "m00.npy")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	third, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if &first.arrays[0].values[0] == &third.arrays[0].values[0] || count() != before+1 {
		t.Errorf("%d files in memory with a new one, %d before", count(), before)
	}
	if got, err := first.Raw(0, 2); err != nil || got[0] != float32(math.Inf(1)) {
		t.Errorf("the first store reads %v (%v)", got, err)
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != before-3 {
		t.Errorf("%d files in memory after all were closed, want %d", got, before-3)
	}
}
