package npy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// Number is an element type that can be written.
type Number interface {
	float32 | float64 | int32 | int64 | uint64
}

// Align is what the offset of the first element is a multiple of in files that
// Write has written.
const Align = 64

// Write writes values as an array of the given shape, in C order, format
// version 1.0. len(values) must be the product of the shape.
func Write[T Number](w io.Writer, values []T, shape ...int) error {
	var zero T
	kind := ""
	switch any(zero).(type) {
	case float32:
		kind = "<f4"
	case float64:
		kind = "<f8"
	case int32:
		kind = "<i4"
	case int64:
		kind = "<i8"
	case uint64:
		kind = "<u8"
	}
	h := Header{Type: kind, Shape: shape}
	if h.Len() != len(values) {
		return fmt.Errorf("write npy: %d values for shape %v", len(values), shape)
	}
	buffered := bufio.NewWriterSize(w, 1<<16)
	if _, err := buffered.Write(encodeHeader(h)); err != nil {
		return fmt.Errorf("write npy: %w", err)
	}
	size := h.ItemSize()
	var item [8]byte
	for _, v := range values {
		var b uint64
		switch x := any(v).(type) {
		case float32:
			b = uint64(math.Float32bits(x))
		case float64:
			b = math.Float64bits(x)
		case int32:
			b = uint64(uint32(x))
		case int64:
			b = uint64(x)
		case uint64:
			b = x
		}
		binary.LittleEndian.PutUint64(item[:], b)
		if _, err := buffered.Write(item[:size]); err != nil {
			return fmt.Errorf("write npy: %w", err)
		}
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write npy: %w", err)
	}
	return nil
}

func encodeHeader(h Header) []byte {
	var shape strings.Builder
	for _, d := range h.Shape {
		fmt.Fprintf(&shape, "%d, ", d)
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", h.Type, strings.TrimSuffix(shape.String(), " "))
	pad := Align - (10+len(text)+1)%Align
	text += strings.Repeat(" ", pad%Align) + "\n"
	out := append([]byte(magic), 1, 0, 0, 0)
	binary.LittleEndian.PutUint16(out[8:], uint16(len(text)))
	return append(out, text...)
}

// Read decodes a whole array from the bytes of a file. Half precision, single,
// double, integer and boolean elements are converted to T; a value that T
// cannot hold is an error for integer T, and infinite or rounded for floats.
func Read[T Number](data []byte) ([]T, []int, error) {
	h, err := ParseHeader(data)
	if err != nil {
		return nil, nil, err
	}
	body, size := data[h.Offset:], h.ItemSize()
	if len(body) != h.Len()*size {
		return nil, nil, fmt.Errorf("%w: %d bytes of elements, the header promises %d", ErrFormat, len(body), h.Len()*size)
	}
	decode, err := decoder(h.Type)
	if err != nil {
		return nil, nil, err
	}
	out := make([]T, h.Len())
	for i := range out {
		f, n, whole := decode(body[i*size:])
		if whole {
			out[i] = T(n)
			if int64(out[i]) != n {
				if T(1)/2 == 0 { // an integer type that is too small
					return nil, nil, fmt.Errorf("%w: element %d is %d, out of range", ErrFormat, i, n)
				}
			}
			continue
		}
		if T(1)/2 == 0 {
			return nil, nil, fmt.Errorf("%w: elements are %s, whole numbers are needed", ErrFormat, h.Type)
		}
		out[i] = T(f)
	}
	return out, h.Shape, nil
}

// decoder returns a function that reads one element, as a float or as a whole
// number (whole true).
func decoder(kind string) (func([]byte) (f float64, n int64, whole bool), error) {
	le := binary.LittleEndian
	switch kind[1:] {
	case "f2":
		return func(b []byte) (float64, int64, bool) { return half(le.Uint16(b)), 0, false }, nil
	case "f4":
		return func(b []byte) (float64, int64, bool) { return float64(math.Float32frombits(le.Uint32(b))), 0, false }, nil
	case "f8":
		return func(b []byte) (float64, int64, bool) { return math.Float64frombits(le.Uint64(b)), 0, false }, nil
	case "i1":
		return func(b []byte) (float64, int64, bool) { return 0, int64(int8(b[0])), true }, nil
	case "i2":
		return func(b []byte) (float64, int64, bool) { return 0, int64(int16(le.Uint16(b))), true }, nil
	case "i4":
		return func(b []byte) (float64, int64, bool) { return 0, int64(int32(le.Uint32(b))), true }, nil
	case "i8", "u8":
		return func(b []byte) (float64, int64, bool) { return 0, int64(le.Uint64(b)), true }, nil
	case "u1", "b1":
		return func(b []byte) (float64, int64, bool) { return 0, int64(b[0]), true }, nil
	case "u2":
		return func(b []byte) (float64, int64, bool) { return 0, int64(le.Uint16(b)), true }, nil
	case "u4":
		return func(b []byte) (float64, int64, bool) { return 0, int64(le.Uint32(b)), true }, nil
	}
	return nil, fmt.Errorf("%w: element type %q", ErrFormat, kind)
}

// half converts an IEEE 754 binary16 number.
func half(b uint16) float64 {
	sign := 1.0
	if b>>15 == 1 {
		sign = -1
	}
	exponent, fraction := int(b>>10&31), float64(b&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
