package plugintest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// gradientTolerance is what differences in float32 may be off, relative to the
// size of the gradient along the direction.
const gradientTolerance = 2e-2

// precision is how an objective is differentiated.
type precision struct {
	// floor is the size below which derivatives are compared absolutely.
	floor float64
	// change is how much the objective should change by a step: a few hundred
	// times its rounding error, and little enough to cross few kinks of a ReLU.
	change float64
}

var (
	// <dh, h> sums a hundred products of size 1.
	ofProduct = precision{floor: 0.1, change: 2e-3}
	// Auxiliary losses are means over the batch, of size 1.
	ofTerms = precision{floor: 1e-2, change: 4e-5}
)

// checkGradients compares the gradient with differences, through the contract:
// with plain gradient descent at learning rate 1 the gradient is what a step takes
// off the parameters. Auxiliary losses are checked once more by themselves, where
// they do not drown in dh.
func (b *backbones) checkGradients(p *probe) {
	for i, task := range b.tasks() {
		d := b.descent(p, task)
		if len(d.start.parameters) == 0 {
			p.skipf("the plugin has no parameters")
		}
		if gradient := d.gradient(p); i == 0 || !d.terms {
			d.compare(p, gradient, ofProduct)
		}
		if d.terms {
			clear(d.dh.Data)
			d.compare(p, d.gradient(p), ofTerms)
		}
		if !b.info.Capabilities.NeedsLabels {
			return // the plugin cannot tell tasks apart
		}
	}
}

// descent is a session whose gradient can be read.
type descent struct {
	*backbone
	start state
	batch sdk.ForwardRequest
	dh    sdk.Tensor
	terms bool // Backward reports terms, which belong to the objective
	// The norm of the last gradient, as the step shows it and as Backward says.
	length, reported float64
}

func (b *backbones) descent(p *probe, task sdk.Task) *descent {
	req := b.request(p)
	req.Task = task
	req.Optimizer = sdk.OptimizerSettings{Name: "sgd", LearningRate: 1}
	// Without dropout, if it can be switched off, more coordinates take part.
	if values, err := b.values(map[string]any{"dropout": 0.0}); err == nil {
		req.Hyperparameters = values
	}
	d := &descent{backbone: b.open(p, req)}
	start, err := d.snapshot()
	p.must(err, "Snapshot")
	checkParameters(p, start)
	// Away from initial values such as zero biases, where a row without any
	// modality sits exactly on the kink of a ReLU.
	jittered := start.clone()
	r := rng.Stream(8, "jitter")
	for _, t := range jittered.parameters {
		for i := range t.Tensor.Data {
			t.Tensor.Data[i] += float32(r.NormFloat64() / 20)
		}
	}
	d.start = jittered
	p.must(d.restore(d.start), "Restore with changed parameters")
	d.choose(0)
	return d
}

// choose takes another batch.
func (d *descent) choose(n uint64) {
	b := d.suite
	if n == 0 {
		rows := b.mixed()
		d.batch = b.train(rows, b.eval(rows).Availability, 1, d.task)
	} else {
		d.batch = b.batch(n, d.task)
	}
	d.dh = gradientOfH(n, len(d.batch.Rows), 1)
}

// gradient takes one step and reads the gradient off it.
func (d *descent) gradient(p *probe) [][]float32 {
	p.must(d.restore(d.start), "Restore")
	d.h(p, d.batch)
	back, err := d.backward(d.dh)
	p.must(err, "Backward")
	d.terms = len(back.Terms) > 0
	end, err := d.snapshot()
	p.must(err, "Snapshot")
	if len(end.parameters) != len(d.start.parameters) {
		p.fatalf("the number of parameters changes from %d to %d in training", len(d.start.parameters), len(end.parameters))
	}
	out := make([][]float32, len(end.parameters))
	var square float64
	for i, t := range end.parameters {
		before := d.start.parameters[i].Tensor.Data
		if len(before) != len(t.Tensor.Data) {
			p.fatalf("parameter %s changes its size in training", t.Name)
		}
		out[i] = make([]float32, len(before))
		for j := range before {
			out[i][j] = before[j] - t.Tensor.Data[j]
			square += float64(out[i][j]) * float64(out[i][j])
		}
	}
	d.length, d.reported = math.Sqrt(square), back.GradientNorm
	return out
}

// objective is <dh, h> plus the plugin's own losses at the start plus
// scale times direction in one parameter.
func (d *descent) objective(p *probe, parameter int, direction []float32, scale float32) float64 {
	moved := d.start
	moved.parameters = slices.Clone(d.start.parameters)
	t := copyTensor(moved.parameters[parameter].Tensor)
	for i, v := range direction {
		t.Data[i] += scale * v
	}
	moved.parameters[parameter].Tensor = t
	p.must(d.restore(moved), "Restore")
	h := d.h(p, d.batch)
	var sum float64
	for i := range h {
		sum += float64(h[i]) * float64(d.dh.Data[i])
	}
	if d.terms {
		back, err := d.backward(d.dh)
		p.must(err, "Backward")
		for _, term := range back.Terms {
			sum += term.Value
		}
	}
	return sum
}

// slope compares a derivative along a direction with differences to both sides.
// It answers how far they are apart, relative to size, and the central difference.
// At the kink of a ReLU the two sides differ, and every value between them is a
// fair gradient. Steps of several sizes are tried: small ones drown in rounding,
// and large ones cross kinks.
func slope(want, size, change, middle float64, objective func(step float32) float64) (off, central float64) {
	off = math.Inf(1)
	for _, factor := range []float64{1, 0.3, 3, 0.1, 10} {
		step := float32(min(factor*change/size, 0.1))
		high, low := objective(step), objective(-step)
		right, left := (high-middle)/float64(step), (middle-low)/float64(step)
		distance := max(0, min(left, right)-want, want-max(left, right)) / size
		if math.IsNaN(left) || math.IsNaN(right) {
			distance = math.Inf(1)
		}
		if distance < off || math.IsInf(off, 1) {
			off, central = distance, (left+right)/2
		}
		if off < gradientTolerance/4 {
			break
		}
	}
	return off, central
}

// compare compares the gradient with differences in every parameter.
func (d *descent) compare(p *probe, gradient [][]float32, precise precision) {
	if math.Abs(d.reported-d.length) > 1e-2*max(d.length, 1e-3) {
		p.failf("Backward reports a gradient norm of %.6g, the step shows %.6g", d.reported, d.length)
	}
	var worst float64
	tried := 0
	middle := d.objective(p, 0, nil, 0)
	for i, t := range d.start.parameters {
		for _, along := range directions(gradient[i], rng.Stream(9, "direction", i)) {
			want, size := along.derivative(gradient[i])
			off, numeric := slope(want, max(size, precise.floor), precise.change, middle, func(step float32) float64 {
				return d.objective(p, i, along.values, step)
			})
			tried++
			worst = max(worst, off)
			if !(off <= gradientTolerance) {
				p.failf("%s task: the derivative of the loss in parameter %s, %s, is %.4g by its gradient and %.4g by finite differences",
					d.task.Kind, t.Name, along.name, want, numeric)
				break
			}
		}
	}
	p.notef("%s task: %d derivatives in %d parameters, largest deviation %.1e", d.task.Kind, tried, len(d.start.parameters), worst)
}

// direction is a direction in the space of one parameter.
type direction struct {
	name   string
	values []float32
}

// derivative is the derivative along the direction and its size: what it would be
// up to chance if the signs of the gradient were drawn.
func (d direction) derivative(gradient []float32) (derivative, size float64) {
	for i, v := range d.values {
		x := float64(v) * float64(gradient[i])
		derivative += x
		size += x * x
	}
	return derivative, max(math.Sqrt(size), math.Abs(derivative))
}

// directions are the coordinate of the largest gradient, one at random, the
// gradient itself, scaled to a largest value of 1, and random signs.
func directions(gradient []float32, r *rand.Rand) []direction {
	n := len(gradient)
	if n == 0 {
		return nil
	}
	unit := func(i int) direction {
		v := make([]float32, n)
		v[i] = 1
		return direction{fmt.Sprintf("value %d", i), v}
	}
	largest := 0
	for i, g := range gradient {
		if math.Abs(float64(g)) > math.Abs(float64(gradient[largest])) {
			largest = i
		}
	}
	out := []direction{unit(largest), unit(r.IntN(n))}
	if n == 1 {
		return out[:1]
	}
	if scale := float32(math.Abs(float64(gradient[largest]))); scale > 0 {
		along := make([]float32, n)
		for i, g := range gradient {
			along[i] = g / scale
		}
		out = append(out, direction{"along the gradient", along})
	}
	signs := make([]float32, n)
	for i := range signs {
		signs[i] = float32(2*r.IntN(2) - 1)
	}
	return append(out, direction{"in a random direction", signs})
}

// checkParameters looks for parameters without effect: their gradient is zero for
// every batch tried, and changing them does not change h.
func (b *backbones) checkParameters(p *probe) {
	d := b.descent(p, b.tasks()[0])
	if len(d.start.parameters) == 0 {
		p.skipf("the plugin has no parameters")
	}
	alive := make([]bool, len(d.start.parameters))
	for n := range uint64(4) {
		d.choose(n)
		gradient := d.gradient(p)
		for i, g := range gradient {
			alive[i] = alive[i] || slices.ContainsFunc(g, func(v float32) bool { return v != 0 })
		}
	}
	d.choose(0)
	values := 0
	for i, t := range d.start.parameters {
		values += len(t.Tensor.Data)
		if alive[i] {
			continue
		}
		signs := make([]float32, len(t.Tensor.Data))
		for j := range signs {
			signs[j] = 1
		}
		if d.objective(p, i, signs, 0.1) == d.objective(p, i, signs, -0.1) {
			p.failf("parameter %s has no effect: its gradient is zero for every batch tried, and h does not depend on it", t.Name)
		}
		// With an effect but no gradient, it is the gradient that is wrong, and
		// that is another check's.
	}
	p.notef("%d values in %d parameters", values, len(alive))
}
