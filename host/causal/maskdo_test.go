package causal

import (
	"math"
	"slices"
	"testing"
)

func TestHead_Availability(t *testing.T) {
	cfg := testConfig(t, "mask_do", tasks["binary"])
	tr := Training{Labels: make([]float32, 4), Availability: []uint64{1, 1, 3, 6}}
	h := newHead(t, cfg, tr)
	const rows = 20000
	own := make([]uint64, rows)
	for i := range own {
		own[i] = 7
	}
	got := h.Availability(own, 3)
	count := map[uint64]float64{}
	for _, a := range got {
		count[a] += 1.0 / rows
	}
	for pattern, share := range map[uint64]float64{1: 0.5, 3: 0.25, 6: 0.25} {
		near(t, "share of a drawn pattern", count[pattern], share, 0.015)
	}
	if !slices.Equal(got, h.Availability(own, 3)) {
		t.Error("a step drew differently the second time")
	}
	if slices.Equal(got, h.Availability(own, 4)) {
		t.Error("two steps drew the same")
	}
	if own[0] != 7 {
		t.Error("the argument was changed")
	}
	// 4 meets only one pattern in four; after ten draws a row keeps its own. 8
	// meets none.
	kept := 0
	for i := range own {
		own[i] = []uint64{4, 8, 5}[i%3]
	}
	for i, a := range h.Availability(own, 5) {
		if a == 0 || a&^own[i] != 0 {
			t.Fatalf("row with %b got %b", own[i], a)
		}
		if own[i] == 5 && a == 5 {
			kept++
		}
	}
	if share := float64(kept) / rows * 3; math.Abs(share) > 0.001 {
		t.Errorf("%v of the rows with 101 kept it, but no drawn pattern covers it", share)
	}

	without := newHead(t, testConfig(t, "md", tasks["binary"]), tr)
	if !slices.Equal(without.Availability(own, 1), own) {
		t.Error("drew without mask_do")
	}
}

// An empty intersection is drawn again ten times before the row keeps its own.
func TestHead_Availability_drawsAgain(t *testing.T) {
	tr := Training{Labels: make([]float32, 4), Availability: []uint64{0b010, 0b010, 0b010, 0b001}}
	h := newHead(t, testConfig(t, "mask_do", tasks["binary"]), tr)
	const rows = 20000
	own := make([]uint64, rows)
	for i := range own {
		own[i] = 0b101
	}
	kept := 0.0
	for _, a := range h.Availability(own, 1) {
		if a == 0b101 {
			kept += 1.0 / rows
		} else if a != 0b001 {
			t.Fatalf("got %03b", a)
		}
	}
	near(t, "rows that keep their own", kept, math.Pow(0.75, 10), 0.006)
}
