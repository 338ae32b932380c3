package train

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

// parcel is what precedes the parts of a packed state.
type parcel struct {
	Head  []byte
	Sizes []int // of the parts in bytes; -1 for one that is nil
}

// pack returns a description, which may be any value that gob takes, and parts as
// bytes. States can have hundreds of megabytes: they are copied once, into memory of
// just their size.
func pack(head any, parts ...[]byte) ([]byte, error) {
	var buffer bytes.Buffer
	if err := gob.NewEncoder(&buffer).Encode(head); err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	p := parcel{Head: slices.Clone(buffer.Bytes())}
	total := 0
	for _, part := range parts {
		size := len(part)
		if part == nil {
			size = -1
		}
		p.Sizes = append(p.Sizes, size)
		total += len(part)
	}
	buffer.Reset()
	if err := gob.NewEncoder(&buffer).Encode(p); err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	out := make([]byte, 0, 4+buffer.Len()+total)
	out = binary.LittleEndian.AppendUint32(out, uint32(buffer.Len()))
	out = append(out, buffer.Bytes()...)
	for _, part := range parts {
		out = append(out, part...)
	}
	return out, nil
}

// unpack fills head with the description and returns the parts, which are views of
// data.
func unpack(data []byte, head any) ([][]byte, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("a state of %d bytes", len(data))
	}
	size := binary.LittleEndian.Uint32(data)
	data = data[4:]
	if uint64(size) > uint64(len(data)) {
		return nil, fmt.Errorf("a description of %d bytes in a state of %d", size, len(data))
	}
	var p parcel
	if err := gob.NewDecoder(bytes.NewReader(data[:size])).Decode(&p); err != nil {
		return nil, err
	}
	if err := gob.NewDecoder(bytes.NewReader(p.Head)).Decode(head); err != nil {
		return nil, err
	}
	data = data[size:]
	parts := make([][]byte, len(p.Sizes))
	for i, size := range p.Sizes {
		switch {
		case size == -1:
			continue
		case size < 0 || size > len(data):
			return nil, fmt.Errorf("part %d of a state has %d bytes, %d are left", i, size, len(data))
		}
		parts[i], data = data[:size:size], data[size:]
	}
	if len(data) != 0 {
		return nil, fmt.Errorf("a state has %d bytes too many", len(data))
	}
	return parts, nil
}

// shaped is a parameter without its values.
type shaped struct {
	Name  string
	Shape []int
}

// packState returns the state of a session as bytes.
func packState(s sdk.SnapshotResponse) ([]byte, error) {
	total := 0
	parameters := make([]shaped, len(s.Parameters))
	for i, p := range s.Parameters {
		parameters[i] = shaped{p.Name, p.Tensor.Shape}
		total += len(p.Tensor.Data)
	}
	values := make([]byte, 0, 4*total)
	for _, p := range s.Parameters {
		for _, v := range p.Tensor.Data {
			values = binary.LittleEndian.AppendUint32(values, math.Float32bits(v))
		}
	}
	return pack(parameters, values, s.State)
}

// unpackState is the request that restores what packState was given. Its state is a
// view of data.
func unpackState(data []byte) (sdk.RestoreRequest, error) {
	var parameters []shaped
	parts, err := unpack(data, &parameters)
	if err != nil {
		return sdk.RestoreRequest{}, err
	}
	if len(parts) != 2 {
		return sdk.RestoreRequest{}, fmt.Errorf("a session's state has %d parts, want 2", len(parts))
	}
	values := parts[0]
	out := sdk.RestoreRequest{State: parts[1]}
	for _, p := range parameters {
		size := 1
		for _, n := range p.Shape {
			if n < 0 || n > math.MaxInt32 || size > math.MaxInt32 {
				return sdk.RestoreRequest{}, fmt.Errorf("parameter %s has shape %v", p.Name, p.Shape)
			}
			size *= n
		}
		if size > len(values)/4 {
			return sdk.RestoreRequest{}, fmt.Errorf("parameter %s of shape %v has %d bytes", p.Name, p.Shape, len(values))
		}
		t := sdk.Tensor{Shape: p.Shape, Data: make([]float32, size)}
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(values[4*i:]))
		}
		values = values[4*size:]
		out.Parameters = append(out.Parameters, sdk.NamedTensor{Name: p.Name, Tensor: t})
	}
	if len(values) != 0 {
		return sdk.RestoreRequest{}, fmt.Errorf("the parameters have %d bytes too many", len(values))
	}
	return out, nil
}
