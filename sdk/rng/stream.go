package rng

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Stream returns a PCG generator keyed by the seed and the labels, in order.
// Labels are strings, int, int64 or uint64; another type panics.
func Stream(seed uint64, labels ...any) *rand.Rand {
	key := digest(seed, labels)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:16])))
}

// Derive returns a seed that depends on the seed and the labels, in order.
func Derive(seed uint64, labels ...any) uint64 {
	key := digest(seed, labels)
	return binary.LittleEndian.Uint64(key[:8])
}

// digest is the SHA-256 of the seed and the labels; every label is preceded by
// its kind and, for a string, its length, so that no two lists collide.
func digest(seed uint64, labels []any) [sha256.Size]byte {
	buffer := binary.LittleEndian.AppendUint64(make([]byte, 0, 64), seed)
	for _, label := range labels {
		switch v := label.(type) {
		case string:
			buffer = append(buffer, 's')
			buffer = binary.LittleEndian.AppendUint64(buffer, uint64(len(v)))
			buffer = append(buffer, v...)
		case int:
			buffer = binary.LittleEndian.AppendUint64(append(buffer, 'i'), uint64(v))
		case int64:
			buffer = binary.LittleEndian.AppendUint64(append(buffer, 'i'), uint64(v))
		case uint64:
			buffer = binary.LittleEndian.AppendUint64(append(buffer, 'u'), v)
		default:
			panic(fmt.Sprintf("rng: label of type %T", label))
		}
	}
	return sha256.Sum256(buffer)
}
