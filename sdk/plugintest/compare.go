package plugintest

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

func sameInfo(a, b sdk.Info) bool { return reflect.DeepEqual(a, b) }

// sameBits reports whether two slices are equal bit by bit.
func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// farthest is the largest difference of two slices, relative to numbers above 1,
// and where it is.
func farthest(a, b []float32) (difference float64, at int) {
	if len(a) != len(b) {
		return math.Inf(1), 0
	}
	for i := range a {
		d := math.Abs(float64(a[i])-float64(b[i])) / max(1, math.Abs(float64(b[i])))
		if d > difference || math.IsNaN(d) {
			difference, at = d, i
			if math.IsNaN(d) {
				return math.Inf(1), at
			}
		}
	}
	return difference, at
}

// state is a copy of a snapshot.
type state struct {
	parameters []sdk.NamedTensor
	bytes      []byte
}

func copyState(resp sdk.SnapshotResponse) state {
	return state{parameters: resp.Parameters, bytes: resp.State}.clone()
}

func (s state) clone() state {
	out := state{bytes: slices.Clone(s.bytes)}
	for _, p := range s.parameters {
		out.parameters = append(out.parameters, sdk.NamedTensor{Name: p.Name, Tensor: copyTensor(p.Tensor)})
	}
	return out
}

func (s state) request() sdk.RestoreRequest {
	c := s.clone()
	return sdk.RestoreRequest{Parameters: c.parameters, State: c.bytes}
}

// difference says where two states differ in a bit, "" if nowhere.
func (s state) difference(o state) string {
	if len(s.parameters) != len(o.parameters) {
		return fmt.Sprintf("%d parameters instead of %d", len(s.parameters), len(o.parameters))
	}
	for i, p := range s.parameters {
		q := o.parameters[i]
		switch {
		case p.Name != q.Name:
			return fmt.Sprintf("parameter %d is called %q instead of %q", i, p.Name, q.Name)
		case !slices.Equal(p.Tensor.Shape, q.Tensor.Shape):
			return fmt.Sprintf("parameter %s has shape %v instead of %v", p.Name, p.Tensor.Shape, q.Tensor.Shape)
		case !sameBits(p.Tensor.Data, q.Tensor.Data):
			return fmt.Sprintf("parameter %s has other values", p.Name)
		}
	}
	if !slices.Equal(s.bytes, o.bytes) {
		return "the state beside the parameters is another"
	}
	return ""
}

func copyTensor(t sdk.Tensor) sdk.Tensor {
	return sdk.Tensor{Shape: slices.Clone(t.Shape), Data: slices.Clone(t.Data)}
}
