package search_test

import (
	"fmt"
	"math"

	"github.com/deconfound/deconfound/sweeps/search"
)

// function is a standard test function whose minimum is 0.
type function struct {
	n         int
	low, high float64
	f         func(x []float64) float64
}

// config searches a function for its minimum.
func (f function) config(method string, trials, seed int) search.Config {
	c := search.Config{
		Method: method, Trials: trials, Goal: "minimize", Epochs: 1, Startup: 10, Parallel: 1,
		Source: search.Source{Seed: seed, Cell: []string{"d", "b", "v"}},
	}
	if method == search.Outside {
		c.Plugin = &search.Plugin{Name: "outside", Hash: "h", Settings: map[string]any{"share": 0.5}}
	}
	for i := range f.n {
		c.Space.Dimensions = append(c.Space.Dimensions, search.Dimension{
			Name: fmt.Sprintf("x%d", i), Type: "float", Kind: search.Uniform, Min: f.low, Max: f.high,
		})
	}
	return c
}

func (f function) at(p search.Point, _ int) float64 {
	x := make([]float64, f.n)
	for i := range x {
		x[i], _ = p[fmt.Sprintf("x%d", i)].(float64)
	}
	return f.f(x)
}

func square(v float64) float64 { return v * v }

func sum(x []float64, f func(v float64) float64) float64 {
	s := 0.0
	for _, v := range x {
		s += f(v)
	}
	return s
}

var functions = map[string]function{
	"sphere": {4, -5, 10, func(x []float64) float64 { return sum(x, func(v float64) float64 { return v * v }) }},
	"rosenbrock": {3, -5, 10, func(x []float64) float64 {
		s := 0.0
		for i := range len(x) - 1 {
			s += 100*square(x[i+1]-x[i]*x[i]) + square(1-x[i])
		}
		return s
	}},
	"branin": {2, -5, 15, func(x []float64) float64 {
		return square(x[1]-5.1/(4*math.Pi*math.Pi)*x[0]*x[0]+5/math.Pi*x[0]-6) + 10*(1-1/(8*math.Pi))*math.Cos(x[0]) + 10 - 0.397887
	}},
	"hartmann6": {6, 0, 1, hartmann6},
	"ackley": {4, -15, 30, func(x []float64) float64 {
		n := float64(len(x))
		return -20*math.Exp(-0.2*math.Sqrt(sum(x, func(v float64) float64 { return v * v })/n)) -
			math.Exp(sum(x, func(v float64) float64 { return math.Cos(2 * math.Pi * v) })/n) + 20 + math.E
	}},
	"rastrigin": {3, -5.12, 5.12, func(x []float64) float64 {
		return sum(x, func(v float64) float64 { return 10 + v*v - 10*math.Cos(2*math.Pi*v) })
	}},
	"styblinski": {4, -5, 5, func(x []float64) float64 {
		return sum(x, func(v float64) float64 { return (v*v*v*v-16*v*v+5*v)/2 + 39.16617 })
	}},
	"levy": {4, -10, 10, func(x []float64) float64 {
		w := make([]float64, len(x))
		for i, v := range x {
			w[i] = 1 + (v-1)/4
		}
		last := w[len(w)-1]
		s := square(math.Sin(math.Pi*w[0])) + square(last-1)*(1+square(math.Sin(2*math.Pi*last)))
		for _, v := range w[:len(w)-1] {
			s += square(v-1) * (1 + 10*square(math.Sin(math.Pi*v+1)))
		}
		return s
	}},
	"camel": {2, -3, 3, func(x []float64) float64 {
		a, b := x[0]*x[0], x[1]*x[1]
		return (4-2.1*a+a*a/3)*a + x[0]*x[1] + (-4+4*b)*b + 1.031628
	}},
	"griewank": {4, -60, 60, func(x []float64) float64 {
		product := 1.0
		for i, v := range x {
			product *= math.Cos(v / math.Sqrt(float64(i+1)))
		}
		return sum(x, func(v float64) float64 { return v * v })/4000 - product + 1
	}},
}

func hartmann6(x []float64) float64 {
	a := [4][6]float64{{10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}}
	p := [4][6]float64{
		{1312, 1696, 5569, 124, 8283, 5886}, {2329, 4135, 8307, 3736, 1004, 9991},
		{2348, 1451, 3522, 2883, 3047, 6650}, {4047, 8828, 8732, 5743, 1091, 381},
	}
	c := [4]float64{1.0, 1.2, 3.0, 3.2}
	s := 3.32237
	for i := range c {
		e := 0.0
		for j, v := range x {
			e += a[i][j] * square(v-1e-4*p[i][j])
		}
		s -= c[i] * math.Exp(-e)
	}
	return s
}
