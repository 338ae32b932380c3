package npy

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestWrite_ReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, cols := rapid.IntRange(0, 9).Draw(t, "rows"), rapid.IntRange(1, 5).Draw(t, "cols")
		want := rapid.SliceOfN(rapid.Float32(), rows*cols, rows*cols).Draw(t, "values")
		var file bytes.Buffer
		if err := Write(&file, want, rows, cols); err != nil {
			t.Fatal(err)
		}
		h, err := ParseHeader(file.Bytes())
		if err != nil || h.Offset%Align != 0 || h.Type != "<f4" {
			t.Fatalf("got header %+v, %v", h, err)
		}
		got, shape, err := Read[float32](file.Bytes())
		if err != nil || len(shape) != 2 || shape[0] != rows || shape[1] != cols {
			t.Fatalf("got shape %v, %v", shape, err)
		}
		for i := range want {
			if math.Float32bits(got[i]) != math.Float32bits(want[i]) && want[i] == want[i] {
				t.Fatalf("element %d: got %v, want %v", i, got[i], want[i])
			}
		}
	})
}

func TestRead_Uint64Bits(t *testing.T) {
	var file bytes.Buffer
	want := []uint64{0, 1, 1 << 63, math.MaxUint64}
	if err := Write(&file, want, 4); err != nil {
		t.Fatal(err)
	}
	got, _, err := Read[uint64](file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("element %d: got %x, want %x", i, got[i], want[i])
		}
	}
}

// The bytes are np.array([1, -2.5, 65504, nan], '<f2') as saved by NumPy 1.24.
func TestRead_HalfPrecision(t *testing.T) {
	body, err := hex.DecodeString("003c00c1ff7b007e")
	if err != nil {
		t.Fatal(err)
	}
	file := append(encodeHeader(Header{Type: "<f2", Shape: []int{4}}), body...)
	got, _, err := Read[float32](file)
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != 1 || got[1] != -2.5 || got[2] != 65504 || got[3] == got[3] {
		t.Errorf("got %v, want [1 -2.5 65504 NaN]", got)
	}
}

func TestRead_ErrFormat(t *testing.T) {
	good := append(encodeHeader(Header{Type: "<f4", Shape: []int{2}}), make([]byte, 8)...)
	cases := map[string][]byte{
		"empty":         nil,
		"truncated":     good[:len(good)-1],
		"trailing":      append(append([]byte{}, good...), 0),
		"magic":         append([]byte("X"), good[1:]...),
		"fortran order": bytes.Replace(good, []byte("False"), []byte("True "), 1),
		"big-endian":    bytes.Replace(good, []byte("<f4"), []byte(">f4"), 1),
		"objects":       bytes.Replace(good, []byte("<f4"), []byte("|O8"), 1),
		"huge":          bytes.Replace(good, []byte("(2,)"), []byte("(9999999999999,9999999999999)"), 1),
	}
	for name, data := range cases {
		if _, _, err := Read[float32](data); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got error %v, want ErrFormat", name, err)
		}
	}
	if _, _, err := Read[int32](good); !errors.Is(err, ErrFormat) {
		t.Errorf("floats as integers: got error %v, want ErrFormat", err)
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add(encodeHeader(Header{Type: "<f4", Shape: []int{2, 3}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := Read[float64](data); err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("got error %v, want ErrFormat", err)
		}
	})
}
