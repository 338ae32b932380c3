package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
)

// uniform maps labels to a number in [0, 1): the first eight bytes of
// SHA256("a|b|c"), big-endian, divided by 2^64. It is the whole protocol of
// splits and interventions, so that any language can reproduce them. Rounding to
// float64 may give 1 exactly for a handful of hashes; those belong to the last
// part of a split.
func uniform(labels ...string) float64 {
	sum := sha256.Sum256([]byte(strings.Join(labels, "|")))
	return float64(binary.BigEndian.Uint64(sum[:8])) / (1 << 64)
}

func seedLabel(seed int) string { return strconv.Itoa(seed) }
