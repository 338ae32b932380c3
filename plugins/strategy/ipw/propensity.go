package main

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/optimize"
)

// design holds the covariates W of the training rows, [rows, width] row-major.
type design struct {
	rows, width int
	x           []float32
}

// logRatios returns log P(class_i) - log P(class_i | W_i) for every row, the
// propensity of a row coming from the folds that do not hold it.
func (d design) logRatios(class []int, fold []int, folds int, l2 float64) ([]float64, error) {
	classes := 0
	for _, c := range class {
		classes = max(classes, c+1)
	}
	share := make([]float64, classes)
	for _, c := range class {
		share[c] += 1 / float64(len(class))
	}
	out := make([]float64, d.rows)
	for f := range folds {
		var train []int
		for i := range d.rows {
			if fold[i] != f {
				train = append(train, i)
			}
		}
		model, err := d.fit(class, classes, train, l2)
		if err != nil {
			return nil, err
		}
		logits := make([]float64, classes)
		for i := range d.rows {
			if fold[i] == f {
				model.logits(d.row(i), logits)
				out[i] = math.Log(share[class[i]]) - (logits[class[i]] - logSumExp(logits))
			}
		}
	}
	return out, nil
}

func (d design) row(i int) []float32 { return d.x[i*d.width : (i+1)*d.width] }

// multinomial is a softmax regression, [classes][width+1] with the intercept last.
type multinomial struct {
	classes, width int
	weights        []float64
}

func (m multinomial) logits(x []float32, out []float64) {
	for c := range out {
		w := m.weights[c*(m.width+1) : (c+1)*(m.width+1)]
		z := w[m.width]
		for j, v := range x {
			z += w[j] * float64(v)
		}
		out[c] = z
	}
}

// fit minimises the summed cross entropy plus l2/2 times the squared weights
// (intercepts excluded) by L-BFGS, and the intercepts' overall level, which the
// loss leaves free, stays where it starts.
func (d design) fit(class []int, classes int, rows []int, l2 float64) (multinomial, error) {
	m := multinomial{classes: classes, width: d.width}
	stride := d.width + 1
	scale := 1 / float64(len(rows))
	loss := func(weights, gradient []float64) float64 {
		model := multinomial{classes: classes, width: d.width, weights: weights}
		logits := make([]float64, classes)
		clear(gradient)
		var total float64
		for _, i := range rows {
			x := d.row(i)
			model.logits(x, logits)
			norm := logSumExp(logits)
			total += norm - logits[class[i]]
			if gradient == nil {
				continue
			}
			for c := range classes {
				g := math.Exp(logits[c] - norm)
				if c == class[i] {
					g--
				}
				row := gradient[c*stride : (c+1)*stride]
				for j, v := range x {
					row[j] += g * float64(v) * scale
				}
				row[d.width] += g * scale
			}
		}
		total *= scale
		for c := range classes {
			for j := range d.width {
				w := weights[c*stride+j]
				total += l2 / 2 * w * w * scale
				if gradient != nil {
					gradient[c*stride+j] += l2 * w * scale
				}
			}
		}
		return total
	}
	result, err := optimize.Minimize(optimize.Problem{
		Func: func(w []float64) float64 { return loss(w, nil) },
		Grad: func(gradient, w []float64) { loss(w, gradient) },
	}, make([]float64, classes*stride), &optimize.Settings{GradientThreshold: 1e-7, MajorIterations: 500}, &optimize.LBFGS{})
	if err != nil && (result == nil || !errors.Is(err, optimize.ErrLinesearcherFailure)) {
		return multinomial{}, err
	}
	m.weights = result.X
	return m, nil
}

func logSumExp(v []float64) float64 {
	largest := math.Inf(-1)
	for _, x := range v {
		largest = max(largest, x)
	}
	var sum float64
	for _, x := range v {
		sum += math.Exp(x - largest)
	}
	return largest + math.Log(sum)
}
