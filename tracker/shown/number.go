package shown

import (
	"encoding/json"
	"math"
	"strconv"
)

// Undefined is how a number that is NaN or infinite is printed.
const Undefined = "n/a"

// Decimal prints three decimals, and an undefined number as Undefined.
func Decimal(v float64) string { return Decimals(v, 3) }

// Decimals is Decimal with the given number of decimals.
func Decimals(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Undefined
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// Signed is Decimal with a sign, for differences.
func Signed(v float64) string {
	s := Decimal(v)
	if v >= 0 && s != Undefined {
		return "+" + s
	}
	return s
}

// Probability prints a p-value, which is never 0.
func Probability(p float64) string {
	if p < 0.0005 {
		return "<0.001"
	}
	return Decimal(p)
}

// Bounds prints an interval, and one without limits as nothing.
func Bounds(low, high float64) string {
	if math.IsNaN(low) || math.IsNaN(high) {
		return ""
	}
	return Decimal(low) + " to " + Decimal(high)
}

// Number marshals as null when undefined: JSON has no NaN.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); !math.IsNaN(v) && !math.IsInf(v, 0) {
		return json.Marshal(v)
	}
	return []byte("null"), nil
}
