package features

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/deconfound/deconfound/sdk/features/npy"
)

// mapping is one read-only NPY file in memory.
type mapping struct {
	file *file  // nil once closed
	body []byte // the elements
}

// mapArray maps the array at path and checks that it has exactly the element
// type and shape that the index promises.
func mapArray(path, kind string, shape []int) (_ *mapping, err error) {
	f, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	m := &mapping{file: f}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	header, err := npy.ParseHeader(f.bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if header.Type != kind || !slices.Equal(header.Shape, shape) {
		return nil, fmt.Errorf("%s: %w: array is %s %v, the index says %s %v", path, npy.ErrFormat, header.Type, header.Shape, kind, shape)
	}
	m.body = f.bytes[header.Offset:]
	if want := header.Len() * header.ItemSize(); len(m.body) != want {
		return nil, fmt.Errorf("%s: %w: %d bytes of elements, the header promises %d", path, npy.ErrFormat, len(m.body), want)
	}
	return m, nil
}

func (m *mapping) close() error {
	if m == nil || m.file == nil {
		return nil
	}
	f := m.file
	m.file, m.body = nil, nil
	return f.release()
}

// littleEndian is true on every machine Go runs on that matters here; the view
// below falls back to a copy on the others.
var littleEndian = func() bool {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], 1)
	return b[0] == 1
}()

// view returns the elements as numbers, without a copy where alignment and byte
// order allow it. The slice must not be written to.
func view[T float32 | int32](m *mapping) []T {
	n := len(m.body) / 4
	if n == 0 {
		return nil
	}
	if first := unsafe.Pointer(unsafe.SliceData(m.body)); littleEndian && uintptr(first)%4 == 0 {
		return unsafe.Slice((*T)(first), n)
	}
	out := make([]T, n)
	for i := range out {
		bits := binary.LittleEndian.Uint32(m.body[4*i:])
		out[i] = *(*T)(unsafe.Pointer(&bits))
	}
	return out
}
