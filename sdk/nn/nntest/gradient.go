package nntest

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

const (
	// Tolerance is the largest accepted deviation of a gradient, relative to its
	// size or to Floor, whichever is larger.
	Tolerance = 1e-2
	// Floor keeps the rounding of float32 out of gradients near zero.
	Floor = 0.1
)

// steps of the differences, in turn until one agrees: in float32 small steps drown
// in rounding, and large ones may cross the kink of a ReLU.
var steps = []float32{1e-2, 3e-3, 1e-3, 3e-2}

// CheckGradients compares, for every value of every parameter, what gradient adds
// to Grad with central differences of objective. Both must compute the same
// function of the parameters, with the same draws, each time. The parameters are
// as before afterwards; their gradients are those of gradient.
func CheckGradients(tb testing.TB, params []*nn.Param, objective func() float64, gradient func()) {
	tb.Helper()
	for _, p := range params {
		clear(p.Grad)
	}
	gradient()
	for _, p := range params {
		analytic := append([]float32(nil), p.Grad...)
		for i, g := range analytic {
			if off := Deviation(p, i, float64(g), objective); !(off <= Tolerance) {
				tb.Errorf("gradient of %s[%d, %d] is %v, off by %.3g", p.Name, i/p.Cols, i%p.Cols, g, off)
			}
		}
		copy(p.Grad, analytic)
	}
}

// CheckTape is CheckGradients for a matrix that record puts on a tape. The
// objective is a fixed combination of its elements. Gradients that are not cleared
// first must be the same.
func CheckTape(tb testing.TB, params []*nn.Param, record func(t *nn.Tape) *nn.Var) {
	tb.Helper()
	tape := nn.NewTape()
	factors := func(n int) []float32 {
		r := rng.Stream(1, "objective")
		f := make([]float32, n)
		for i := range f {
			f[i] = float32(r.Float64()*2 - 1)
		}
		return f
	}
	objective := func() float64 {
		tape.Reset()
		out := record(tape)
		var sum float64
		for i, f := range factors(len(out.Value)) {
			sum += float64(f) * float64(out.Value[i])
		}
		return sum
	}
	CheckGradients(tb, params, objective, func() {
		tape.Reset()
		out := record(tape)
		if out.Grad == nil {
			tb.Fatal("the output has no gradient")
		}
		for i, f := range factors(len(out.Value)) {
			out.Grad[i] += f
		}
		tape.Backward()
	})
	checkSeeded(tb, params, func(tape *nn.Tape) {
		out := record(tape)
		tape.Seed(out, factors(len(out.Value)))
	})
}

// checkSeeded compares the gradients of the parameters with those of a seeded tape
// whose memory and parameters hold something else before.
func checkSeeded(tb testing.TB, params []*nn.Param, record func(tape *nn.Tape)) {
	tb.Helper()
	var want [][]float32
	for _, p := range params {
		want = append(want, append([]float32(nil), p.Grad...))
	}
	tape := nn.NewSeededTape()
	for range 2 {
		tape.Reset()
		record(tape)
		tape.ZeroGrad(params)
		for _, p := range params {
			for i := range p.Grad {
				p.Grad[i] = float32(math.NaN())
			}
		}
		tape.Backward()
		for n, p := range params {
			for i, g := range p.Grad {
				if g != want[n][i] {
					tb.Errorf("gradient of %s[%d, %d] is %v, and %v on a seeded tape", p.Name, i/p.Cols, i%p.Cols, want[n][i], g)
				}
			}
		}
	}
}

// Deviation is how far gradient is from a central difference of objective by
// value i of p, relative to max(Floor, |gradient|); the best of several steps.
func Deviation(p *nn.Param, i int, gradient float64, objective func() float64) float64 {
	best := math.Inf(1)
	at := p.Value[i]
	for _, step := range steps {
		up, down := at+step, at-step
		p.Value[i] = up
		high := objective()
		p.Value[i] = down
		low := objective()
		p.Value[i] = at
		numeric := (high - low) / float64(up-down)
		best = min(best, math.Abs(numeric-gradient)/max(Floor, math.Abs(gradient)))
		if best < Tolerance/4 {
			break
		}
	}
	return best
}
