package transport

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// writer packs the tensors of one message into its slot.
type writer struct {
	mem    []byte // of the slot; empty without shared memory
	offset uint64 // of the slot within the arena
	used   uint64
}

// tensor returns the wire form of t, nil if it is absent. Without room in the
// slot the message refers to t's own memory, which must not change until the
// message was sent.
func (w *writer) tensor(t sdk.Tensor) *pb.Tensor {
	if t.Absent() {
		return nil
	}
	out := &pb.Tensor{Shape: make([]int64, len(t.Shape))}
	for i, n := range t.Shape {
		out.Shape[i] = int64(n)
	}
	data := bytesOf(t.Data)
	if n := uint64(len(data)); n > 0 && w.used+n <= uint64(len(w.mem)) {
		copy(w.mem[w.used:], data)
		out.Storage = &pb.Tensor_Region{Region: &pb.Region{Offset: w.offset + w.used, Length: n}}
		w.used = (w.used + n + alignment - 1) &^ (alignment - 1)
		return out
	}
	out.Storage = &pb.Tensor_Data{Data: data}
	return out
}

// vector is tensor for a slice; nil is absent.
func (w *writer) vector(values []float32) *pb.Tensor {
	if values == nil {
		return nil
	}
	return w.tensor(sdk.Tensor{Shape: []int{len(values)}, Data: values})
}

// reader unpacks the tensors of one message.
type reader struct {
	mem    []byte // of the slot; empty without shared memory
	offset uint64 // of the slot within the arena
	// copies says that tensors must not refer to shared memory: the host checks
	// values before it uses them, and they must not change in between.
	copies bool
	// spare is memory for the first copy it is large enough for.
	spare []float32
}

// tensor returns the tensor that t describes. It trusts nothing: a shape that
// does not fit the data has the code bad_shape, which an author's mistake can
// cause; an offset outside the slot has the code protocol, which only a broken
// implementation of the wire can.
func (r *reader) tensor(name string, t *pb.Tensor) (sdk.Tensor, error) {
	if t == nil {
		return sdk.Tensor{}, nil
	}
	shape := make([]int, len(t.Shape))
	count := int64(1)
	for i, n := range t.Shape {
		if n < 0 || n > math.MaxInt32 || (n > 0 && count > MaxMessage/n) {
			return sdk.Tensor{}, sdk.Errorf(sdk.CodeBadShape, "%s has an impossible shape %v", name, t.Shape)
		}
		shape[i] = int(n)
		count *= n
	}
	want := uint64(count) * 4
	region := t.GetRegion()
	if region == nil {
		data := t.GetData()
		if uint64(len(data)) != want {
			return sdk.Tensor{}, sdk.Errorf(sdk.CodeBadShape, "%s of shape %v has %d bytes, want %d", name, shape, len(data), want)
		}
		return sdk.Tensor{Shape: shape, Data: floatView(data)}, nil
	}
	if region.Length != want {
		return sdk.Tensor{}, sdk.Errorf(sdk.CodeBadShape, "%s of shape %v refers to %d bytes, want %d", name, shape, region.Length, want)
	}
	size := uint64(len(r.mem))
	if region.Offset < r.offset || region.Offset%4 != 0 || region.Offset-r.offset > size || want > size-(region.Offset-r.offset) {
		return sdk.Tensor{}, sdk.Errorf(sdk.CodeProtocol, "%s refers to %d bytes at %d, outside its slot of %d bytes at %d", name, want, region.Offset, size, r.offset)
	}
	from := region.Offset - r.offset
	wire := r.mem[from : from+want : from+want]
	if !r.copies {
		return sdk.Tensor{Shape: shape, Data: floatView(wire)}, nil
	}
	values := r.room(int(count))
	fill(values, wire)
	return sdk.Tensor{Shape: shape, Data: values}, nil
}

// room is memory for n values.
func (r *reader) room(n int) []float32 {
	if spare := r.spare; n <= cap(spare) && n > 0 {
		r.spare = nil
		return spare[:n:n]
	}
	return make([]float32, n)
}

// vector is tensor for a slice, which must have one dimension.
func (r *reader) vector(name string, t *pb.Tensor) ([]float32, error) {
	v, err := r.tensor(name, t)
	if err != nil {
		return nil, err
	}
	if t != nil && len(v.Shape) != 1 {
		return nil, sdk.Errorf(sdk.CodeBadShape, "%s has shape %v, want one dimension", name, v.Shape)
	}
	return v.Data, nil
}

// write calls pack with a writer on the slot of a message.
func (s slab) write(direction, sequence uint64, pack func(*writer) error) error {
	return s.locked(func(mem []byte) error {
		if mem == nil {
			return pack(&writer{})
		}
		offset, size := s.slot(direction, sequence)
		return pack(&writer{mem: mem[offset : offset+size], offset: offset})
	})
}

// read calls unpack with a reader on the slot of a message.
func (s slab) read(direction, sequence uint64, copies bool, unpack func(*reader) error) error {
	return s.locked(func(mem []byte) error {
		if mem == nil {
			return unpack(&reader{copies: copies})
		}
		offset, size := s.slot(direction, sequence)
		return unpack(&reader{mem: mem[offset : offset+size], offset: offset, copies: copies})
	})
}
