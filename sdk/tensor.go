package sdk

import (
	"fmt"
	"math"
	"unsafe"
)

// Tensor is a dense array of float32 in row-major order. The zero value is an
// absent tensor.
type Tensor struct {
	Shape []int
	Data  []float32
}

// NamedTensor is a parameter in a snapshot.
type NamedTensor struct {
	Name   string
	Tensor Tensor
}

// NewTensor returns a tensor of zeros.
func NewTensor(shape ...int) Tensor {
	return Tensor{Shape: shape, Data: make([]float32, volume(shape))}
}

// Absent reports whether there is no tensor at all.
func (t Tensor) Absent() bool { return t.Shape == nil && t.Data == nil }

// Check reports whether the tensor has exactly the given shape and as many
// values; name is the tensor in the message. The error has code bad_shape.
func (t Tensor) Check(name string, shape ...int) error {
	same := len(t.Shape) == len(shape)
	for i := 0; same && i < len(shape); i++ {
		same = t.Shape[i] == shape[i]
	}
	if !same {
		return Errorf(CodeBadShape, "%s has shape %v, want %v", name, t.Shape, shape)
	}
	if want := volume(shape); len(t.Data) != want {
		return Errorf(CodeBadShape, "%s of shape %v has %d values, want %d", name, t.Shape, len(t.Data), want)
	}
	return nil
}

// CheckFinite reports the first NaN or infinity, naming its row (the first
// dimension) and column. The error has code not_finite.
func (t Tensor) CheckFinite(name string) error {
	width := 1
	if len(t.Shape) > 0 && t.Shape[0] > 0 {
		width = max(len(t.Data)/t.Shape[0], 1)
	}
	return CheckFinite(name, t.Data, width)
}

// CheckFinite reports the first NaN or infinity in values, which have width
// values a row. The error has code not_finite.
func CheckFinite(name string, values []float32, width int) error {
	if allFinite(values) {
		return nil
	}
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			if width <= 1 {
				return Errorf(CodeNotFinite, "%s is %v in row %d", name, v, i)
			}
			return Errorf(CodeNotFinite, "%s is %v in row %d, column %d", name, v, i/width, i%width)
		}
	}
	return nil
}

// allFinite looks at two values at a time: adding 1 to an exponent carries into
// the sign bit just for the exponent that NaN and infinities have. It is run on
// every h and dh of a training step.
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

func (t Tensor) String() string { return fmt.Sprintf("tensor%v", t.Shape) }

func volume(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}
