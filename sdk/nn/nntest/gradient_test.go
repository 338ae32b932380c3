package nntest_test

import (
	"fmt"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/nn/nntest"
	"github.com/deconfound/deconfound/sdk/rng"
)

// recorder counts what a check reports.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, a ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, a...))
}

// cube is x³ with its gradient multiplied by f.
func cube(t *nn.Tape, x *nn.Var, f float32) *nn.Var {
	out := t.Op(x.Rows, x.Cols, []*nn.Var{x}, func(out *nn.Var) {
		for i, g := range out.Grad {
			x.Grad[i] += f * g * 3 * x.Value[i] * x.Value[i]
		}
	})
	for i, v := range x.Value {
		out.Value[i] = v * v * v
	}
	return out
}

func TestCheckTape_FindsWrongGradients(t *testing.T) {
	ps := &nn.Params{}
	p := ps.New("x", 2, 3, nn.Normal(rng.Stream(1), 1))
	for _, c := range []struct {
		factor float32
		wrong  bool
	}{{1, false}, {1.05, true}, {0, true}, {-1, true}} {
		r := &recorder{TB: t}
		nntest.CheckTape(r, ps.All(), func(tape *nn.Tape) *nn.Var { return cube(tape, tape.Param(p), c.factor) })
		if got := len(r.errors) > 0; got != c.wrong {
			t.Errorf("with the gradient times %v the check reports %q", c.factor, r.errors)
		}
	}
}

func TestCheckTape_LeavesParameters(t *testing.T) {
	ps := &nn.Params{}
	p := ps.New("x", 1, 2, nn.Ones)
	nntest.CheckTape(t, ps.All(), func(tape *nn.Tape) *nn.Var { return cube(tape, tape.Param(p), 1) })
	if p.Value[0] != 1 || p.Value[1] != 1 {
		t.Fatalf("got %v, want ones", p.Value)
	}
}
