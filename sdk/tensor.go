package sdk

import (
	"fmt"
	"math"

	"github.com/deconfound/deconfound/sdk/nn"
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
	if nn.AllFinite(values) {
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

func (t Tensor) String() string { return fmt.Sprintf("tensor%v", t.Shape) }

func volume(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}
