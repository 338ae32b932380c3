package dataset

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The shifted test sets of NAFLD are those that testdata/protocol.py computes.
func TestStore_ShiftsReference(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "protocol.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want []struct {
		Seed    int
		Block   string
		Weights [2][2]float64
		Do      map[string]int
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	s := shared(t, "nafld")
	for _, w := range want {
		split, err := s.Split(SplitSpec{}, w.Seed)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.flipped(split.Train, "")
		if err != nil || s.Modalities()[m].Name != w.Block {
			t.Errorf("seed %d: flips modality %d, %v, want %s", w.Seed, m, err, w.Block)
			continue
		}
		sets, err := s.Shifts([]string{ShiftFlip, ShiftDo}, split, w.Seed)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range sets[0].Rows {
			want := w.Weights[s.class(row)][s.Availability()[row]>>m&1]
			if got := float64(sets[0].Weights[i]); math.Abs(got-want) > 1e-6*want {
				t.Fatalf("seed %d, row %d: got weight %v, want %v", w.Seed, row, got, want)
			}
		}
		for block, want := range w.Do {
			b, ok := s.Lookup(block)
			if !ok {
				t.Fatalf("no modality %s", block)
			}
			got := 0
			for _, pattern := range sets[1].Availability {
				got += int(pattern >> b & 1)
			}
			if got != want {
				t.Errorf("seed %d: %d test rows have %s after do, want %d", w.Seed, got, block, want)
			}
		}
	}
}
