package train

import (
	"bytes"
	"math"
	"reflect"
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

func TestPack_roundTrip(t *testing.T) {
	type head struct{ Epoch int }
	data, err := pack(head{7}, []byte("one"), nil, []byte{}, bytes.Repeat([]byte{3}, 1000))
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != cap(data) {
		t.Errorf("it has %d bytes in memory for %d", len(data), cap(data))
	}
	var h head
	parts, err := unpack(data, &h)
	if err != nil || h.Epoch != 7 || len(parts) != 4 {
		t.Fatalf("got %+v, %d parts, %v", h, len(parts), err)
	}
	if string(parts[0]) != "one" || parts[1] != nil || parts[2] == nil || len(parts[2]) != 0 || len(parts[3]) != 1000 {
		t.Errorf("got %q", parts)
	}
}

func TestPackState_roundTrip(t *testing.T) {
	want := sdk.SnapshotResponse{
		Parameters: []sdk.NamedTensor{
			{Name: "w", Tensor: sdk.Tensor{Shape: []int{2, 2}, Data: []float32{1, float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, float32(math.Inf(1))}}},
			{Name: "empty", Tensor: sdk.Tensor{Shape: []int{0, 3}, Data: []float32{}}},
			{Name: "scalar", Tensor: sdk.Tensor{Shape: []int{1}, Data: []float32{-2}}},
		},
		State: []byte("moments"),
	}
	data, err := packState(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpackState(data)
	if err != nil || !reflect.DeepEqual(got, sdk.RestoreRequest(want)) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// What is not a packed state is an error, wherever it was cut or changed.
func TestUnpackState_damaged(t *testing.T) {
	data, err := packState(sdk.SnapshotResponse{
		Parameters: []sdk.NamedTensor{{Name: "w", Tensor: sdk.Tensor{Shape: []int{2, 3}, Data: make([]float32, 6)}}}, State: []byte("moments"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if _, err := unpackState(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes are taken for a state", n, len(data))
		}
	}
	if _, err := unpackState(append(bytes.Clone(data), 0)); err == nil {
		t.Error("a byte too many is not noticed")
	}
	// Any byte may be another one: there is an error or a state, but no panic.
	for i := range data {
		for _, flip := range []byte{1, 0x80, 0xff} {
			other := bytes.Clone(data)
			other[i] ^= flip
			_, _ = unpackState(other)
		}
	}
}
