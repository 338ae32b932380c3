package features

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/deconfound/deconfound/sdk/features/npy"
)

// mapping is one read-only NPY file in memory.
type mapping struct {
	bytes []byte // nil for an empty file
	body  []byte // the elements
}

// mapArray maps the array at path and checks that it has exactly the element
// type and shape that the index promises.
func mapArray(path, kind string, shape []int) (_ *mapping, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the mapping outlives the descriptor
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 || info.Size() != int64(int(info.Size())) {
		return nil, fmt.Errorf("%s: %w: size %d", path, npy.ErrFormat, info.Size())
	}
	data, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	m := &mapping{bytes: data}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	header, err := npy.ParseHeader(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if header.Type != kind || !slices.Equal(header.Shape, shape) {
		return nil, fmt.Errorf("%s: %w: array is %s %v, the index says %s %v", path, npy.ErrFormat, header.Type, header.Shape, kind, shape)
	}
	m.body = data[header.Offset:]
	if want := header.Len() * header.ItemSize(); len(m.body) != want {
		return nil, fmt.Errorf("%s: %w: %d bytes of elements, the header promises %d", path, npy.ErrFormat, len(m.body), want)
	}
	return m, nil
}

func (m *mapping) close() error {
	if m == nil || m.bytes == nil {
		return nil
	}
	data := m.bytes
	m.bytes, m.body = nil, nil
	return unix.Munmap(data)
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
