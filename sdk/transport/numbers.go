package transport

import (
	"encoding/binary"
	"unsafe"

	"github.com/deconfound/deconfound/sdk"
)

// number is what arrays on the wire hold, little-endian.
type number interface{ ~int32 | ~uint64 | ~float32 }

// littleEndian says that memory already has the byte order of the wire.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// bytesOf returns the wire form of values, which may be a view of them.
func bytesOf[T number](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	size := int(unsafe.Sizeof(values[0]))
	view := unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*size)
	if littleEndian {
		return view
	}
	return swapped(view, size)
}

// numbersOf returns the values in wire, always a copy; what names it in errors.
func numbersOf[T number](what string, wire []byte) ([]T, error) {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if len(wire)%size != 0 {
		return nil, sdk.Errorf(sdk.CodeProtocol, "%s has %d bytes, not a multiple of %d", what, len(wire), size)
	}
	if len(wire) == 0 {
		return nil, nil
	}
	values := make([]T, len(wire)/size)
	fill(values, wire)
	return values, nil
}

// fill copies wire into values, which have the same length in bytes.
func fill[T number](values []T, wire []byte) {
	if len(values) == 0 {
		return
	}
	size := int(unsafe.Sizeof(values[0]))
	if !littleEndian {
		wire = swapped(wire, size)
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*size), wire)
}

// floatView returns wire as float32 without a copy where alignment and byte
// order allow it.
func floatView(wire []byte) []float32 {
	n := len(wire) / 4
	if n == 0 {
		return []float32{}
	}
	if p := unsafe.Pointer(&wire[0]); littleEndian && uintptr(p)%4 == 0 {
		return unsafe.Slice((*float32)(p), n)
	}
	values := make([]float32, n)
	fill(values, wire)
	return values
}

// swapped returns a copy of wire with the bytes of every number reversed.
func swapped(wire []byte, size int) []byte {
	out := make([]byte, len(wire))
	for i := 0; i+size <= len(wire); i += size {
		for j := range size {
			out[i+j] = wire[i+size-1-j]
		}
	}
	return out
}
