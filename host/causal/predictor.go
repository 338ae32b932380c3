package causal

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Predictor is the nonlinear form of the availability-guided split: small networks
// that predict from one modality's columns z which other modalities are there. On
// rows of one fold a network speaks that was trained on the others, so that what
// it says of a training row owes nothing to that row; elsewhere all speak, and
// their mean counts. The logits phi(z), one for every other modality, are then
// columns for Separate: by the same threshold, only what holds on rows that a
// network has not seen is kept.
type Predictor struct {
	width, outputs int
	folds          []*fold
	of             []int // fold by position of the training rows
	held           []float32
}

// fold is a network z -> ReLU -> ReLU -> logits, and what is given beside z.
type fold struct {
	params nn.Params
	layers [3]*nn.Linear
	beside *nn.Linear
}

const (
	predictorFolds  = 2
	predictorHidden = 32
	predictorBatch  = 250
	// predictorSteps is how long a network is trained, whatever the number of rows.
	predictorSteps = 1200
	predictorRate  = 3e-3
	predictorDecay = 1e-3
)

func newFold(width, outputs, beside int, seed uint64, labels ...any) *fold {
	f := &fold{}
	r := rng.Stream(seed, append([]any{"predictor"}, labels...)...)
	f.layers[0] = nn.NewLinear(&f.params, "1", width, predictorHidden, r)
	f.layers[1] = nn.NewLinear(&f.params, "2", predictorHidden, predictorHidden, r)
	f.layers[2] = nn.NewLinear(&f.params, "3", predictorHidden, outputs, r)
	f.beside = nn.NewLinear(&f.params, "beside", beside, outputs, r)
	clear(f.beside.Weight.Value)
	return f
}

func (f *fold) logits(t *nn.Tape, z *nn.Var) *nn.Var {
	return f.layers[2].Apply(t, f.layers[1].ApplyReLU(t, f.layers[0].ApplyReLU(t, z)))
}

// NewPredictor trains the networks; mechanism is one of DualBranch.Mechanism, seed
// keys folds, initial values and batches. nil where there is nothing to predict.
func NewPredictor(mechanism string, s Sample, seed uint64) (*Predictor, error) {
	others := s.others()
	if mechanism == MechanismSelf || len(others) == 0 {
		return nil, nil
	}
	n := len(s.Availability)
	p := &Predictor{width: s.Width, outputs: len(others), of: make([]int, n), held: make([]float32, n*len(others))}
	for i, at := range rng.Stream(seed, "predictor", "folds", s.Modality).Perm(n) {
		p.of[at] = i % predictorFolds
	}
	targets := make([]float32, 0, n*len(others))
	for i := range n {
		for _, o := range others {
			targets = append(targets, s.indicator(i, o))
		}
	}
	given := s.given(mechanism == MechanismLabel)
	beside := len(given(0)) - 1
	t := nn.NewTape()
	for k := range predictorFolds {
		var train, test []int
		for i, of := range p.of {
			if of == k {
				test = append(test, i)
			} else {
				train = append(train, i)
			}
		}
		f := newFold(p.width, p.outputs, max(beside, 1), seed, s.Modality, k)
		optimizer, err := nn.NewOptimizer(f.params.All(), nn.OptimizerConfig{Name: "adam", LearningRate: predictorRate, WeightDecay: predictorDecay})
		if err != nil {
			return nil, fmt.Errorf("train a predictor of availability: %w", err)
		}
		order := rng.Stream(seed, "predictor", "order", s.Modality, k)
		var queue []int
		for step := range predictorSteps {
			if len(queue) < predictorBatch && len(queue) < len(train) {
				queue = nil
				for _, at := range order.Perm(len(train)) {
					queue = append(queue, train[at])
				}
			}
			size := min(predictorBatch, len(queue))
			rows := queue[:size]
			queue = queue[size:]
			if step == predictorSteps*2/3 {
				optimizer.SetLearningRate(predictorRate / 5)
			}
			z, g, d := make([]float32, 0, size*p.width), make([]float32, size*max(beside, 1)), make([]float32, 0, size*p.outputs)
			for at, i := range rows {
				z = append(z, s.Values[i*p.width:(i+1)*p.width]...)
				for j, v := range given(i)[1:] {
					g[at*beside+j] = float32(v)
				}
				d = append(d, targets[i*p.outputs:(i+1)*p.outputs]...)
			}
			t.Reset()
			f.params.ZeroGrad()
			logits := t.Add(f.logits(t, t.Const(size, p.width, z)), f.beside.Apply(t, t.Const(size, max(beside, 1), g)))
			loss := t.MeanRows(t.BCE(logits, d))
			for i := range loss.Grad {
				loss.Grad[i] = 1
			}
			t.Backward()
			optimizer.Step()
		}
		p.folds = append(p.folds, f)
		z := make([]float32, 0, len(test)*p.width)
		for _, i := range test {
			z = append(z, s.Values[i*p.width:(i+1)*p.width]...)
		}
		t.Reset()
		for at, v := range f.logits(t, t.Const(len(test), p.width, z)).Value {
			p.held[test[at/p.outputs]*p.outputs+at%p.outputs] = v
		}
	}
	return p, nil
}

// Sample returns the training rows with phi in the place of their columns.
func (p *Predictor) Sample(s Sample) Sample {
	if p != nil {
		s.Values, s.Width = p.held, p.outputs
	}
	return s
}

// Held returns phi of the training rows, [rows, Outputs], each from the network
// that has not seen the row. The caller must not change it.
func (p *Predictor) Held() []float32 { return p.held }

// Outputs is the number of columns of phi.
func (p *Predictor) Outputs() int { return p.outputs }

// Logits returns phi of rows that were not trained on, values [rows, Width].
func (p *Predictor) Logits(values []float32) []float32 {
	rows := len(values) / p.width
	out := make([]float32, rows*p.outputs)
	t := nn.NewTape()
	for _, f := range p.folds {
		for from := 0; from < rows; from += refreshRows {
			to := min(from+refreshRows, rows)
			t.Reset()
			for j, v := range f.logits(t, t.Const(to-from, p.width, values[from*p.width:to*p.width])).Value {
				out[from*p.outputs+j] += v / predictorFolds
			}
		}
	}
	return out
}
