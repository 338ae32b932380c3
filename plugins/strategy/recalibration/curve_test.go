package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// Predictions that are the wrong way round are flattened, not reversed.
func TestSolve_keepsTheOrder(t *testing.T) {
	p := problem{towards: identity(1), shrinkage: 1, intercept: true}
	r := rng.Stream(1, "reversed")
	events := 0
	for range 300 {
		z := 2 * r.NormFloat64()
		y := 0
		if r.NormFloat64() > z-1 {
			y = 1
		}
		events += y
		p.logits, p.labels = append(p.logits, z), append(p.labels, y)
	}
	c := p.solve()
	if c[0] != leastSlope {
		t.Errorf("the slope is %v, want the least one, %v", c[0], leastSlope)
	}
	var sum float64
	for _, z := range p.logits {
		sum += c.probabilities([]float64{z})[0]
	}
	if gap := sum - float64(events); gap > 1 || gap < -1 {
		t.Errorf("%v events are expected, %d there are: the intercept was not fitted", sum, events)
	}
}

// A pattern without one class keeps finite parameters, drawn towards the rest.
func TestSolve_oneClass(t *testing.T) {
	p := problem{towards: curve{1.5, -0.5}, shrinkage: 10, intercept: true, logits: []float64{1, -1, 2}, labels: []int{0, 0, 0}}
	c := p.solve()
	if !(c[1] < -0.5 && c[1] > -2 && c[0] > leastSlope && c[0] < 2) {
		t.Errorf("got %v", c)
	}
}
