package sweeps

import (
	"crypto/sha256"
	"encoding/binary"
)

// draw returns a number in [0, 1) that depends on nothing but the search seed,
// the cell, the trial and the parameter's name: adding a parameter, a backbone
// or trials, or writing the file in another order, changes no other draw.
func draw(seed int, cell Cell, trial int, parameter string) float64 {
	h := sha256.New()
	var number [8]byte
	write := func(n int) {
		binary.LittleEndian.PutUint64(number[:], uint64(n))
		h.Write(number[:])
	}
	write(seed)
	for _, text := range []string{cell.Dataset, cell.Backbone, cell.Variant, parameter} {
		write(len(text))
		h.Write([]byte(text))
	}
	write(trial)
	return float64(binary.LittleEndian.Uint64(h.Sum(nil))>>11) / (1 << 53)
}
