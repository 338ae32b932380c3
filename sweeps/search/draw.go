package search

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Source is where the random numbers of a cell's search come from.
type Source struct {
	Seed int      `json:"seed"`
	Cell []string `json:"cell"` // dataset, backbone, variant
}

// sum hashes the source, a name and a number.
func (s Source) sum(name string, number int) [sha256.Size]byte {
	h := sha256.New()
	var buffer [8]byte
	write := func(n int) {
		binary.LittleEndian.PutUint64(buffer[:], uint64(n))
		h.Write(buffer[:])
	}
	write(s.Seed)
	for _, text := range s.Cell {
		write(len(text))
		h.Write([]byte(text))
	}
	write(len(name))
	h.Write([]byte(name))
	write(number)
	return [sha256.Size]byte(h.Sum(nil))
}

// Draw returns a number in [0, 1) that depends on nothing but the search seed,
// the cell, the trial and the parameter's name: adding a parameter, a backbone
// or trials, or writing the file in another order, changes no other draw.
func (s Source) Draw(trial int, parameter string) float64 {
	sum := s.sum(parameter, trial)
	return float64(binary.LittleEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// stream is a generator for a purpose that needs many numbers.
func (s Source) stream(trial int, purpose string) *rand.Rand {
	sum := s.sum(purpose, trial)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])))
}
