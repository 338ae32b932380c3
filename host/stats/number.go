package stats

import (
	"encoding/json"
	"math"
)

// Number is a float64 whose NaN is null in JSON: a figure that does not exist.
type Number float64

// MarshalJSON writes null for NaN and infinities, which JSON lacks.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return json.Marshal(f)
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads null as NaN.
func (n *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// Defined reports whether the figure exists.
func (n Number) Defined() bool { return !math.IsNaN(float64(n)) }

func numbers(values []float64) []Number {
	out := make([]Number, len(values))
	for i, v := range values {
		out[i] = Number(v)
	}
	return out
}
