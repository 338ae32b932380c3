package nn

import (
	"math"
	"unsafe"
)

// AllFinite says whether no value is NaN or infinite. It looks at nothing but
// exponents, which only those have full of ones.
func AllFinite(values []float32) bool {
	if hasAVX2 && len(values) > 0 {
		return notFiniteAVX2(len(values), &values[0]) == 0
	}
	return allFinite(values)
}

// allFinite is AllFinite for two values at a time: adding 1 to an exponent carries
// into the sign bit just for the one that is full of ones.
func allFinite(values []float32) bool {
	const (
		exponents = 0x7f800000_7f800000
		ones      = 0x00800000_00800000
		carries   = 0x80000000_80000000
	)
	odd := uint64(0)
	if len(values) > 0 && uintptr(unsafe.Pointer(&values[0]))%8 != 0 {
		odd = uint64(math.Float32bits(values[0]))
		values = values[1:]
	}
	carry := odd&exponents + ones
	if n := len(values); n%2 == 1 {
		carry |= uint64(math.Float32bits(values[n-1]))&exponents + ones
	}
	var words []uint64
	if n := len(values) / 2; n > 0 {
		words = unsafe.Slice((*uint64)(unsafe.Pointer(&values[0])), n)
	}
	var a, b, c, d uint64
	for ; len(words) >= 4; words = words[4:] {
		a |= words[0]&exponents + ones
		b |= words[1]&exponents + ones
		c |= words[2]&exponents + ones
		d |= words[3]&exponents + ones
	}
	for _, w := range words {
		carry |= w&exponents + ones
	}
	return (carry|a|b|c|d)&carries == 0
}
