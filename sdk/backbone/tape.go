package backbone

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
)

// TapeModel is a model whose forward pass is recorded on a tape; the gradient
// follows from the tape.
type TapeModel interface {
	// Forward records the pass and returns h, [batch.Size, Width], and the
	// auxiliary losses in training, if the model has any.
	Forward(tape *nn.Tape, batch *Batch) (h *nn.Var, auxiliary []Term)
	// Params returns the parameters that Forward uses.
	Params() *nn.Params
}

// Term is an auxiliary loss of a TapeModel.
type Term struct {
	Name string
	// Weight is the factor with which the loss enters the objective. The recorded
	// value includes it.
	Weight float64
	// Value is a scalar, [1, 1].
	Value *nn.Var
	// Rows are, instead of Value, losses of rows of the batch, [n, 1], and Of their
	// positions in it: the loss is their mean, weighted as the strategy weighs the
	// rows, which is known in Backward only. The list is not copied.
	Rows *nn.Var
	Of   []int32
}

// FromTape makes a Model of a TapeModel, with the [Stateful] and io.Closer methods
// that m may have. It flattens the parameters; see [nn.Params.Flatten].
func FromTape(m TapeModel) Model {
	m.Params().Flatten()
	t := &tapeModel{model: m, tape: nn.NewSeededTape()}
	if s, ok := m.(Stateful); ok {
		return struct {
			*tapeModel
			Stateful
		}{t, s}
	}
	return t
}

type tapeModel struct {
	model     TapeModel
	tape      *nn.Tape
	h         *nn.Var // of a Forward in training that has had no Backward
	batch     *Batch
	auxiliary []Term
}

func (t *tapeModel) Params() []*nn.Param { return t.model.Params().All() }

func (t *tapeModel) Forward(batch *Batch) ([]float32, error) {
	t.h, t.auxiliary = nil, nil
	if batch.Train {
		t.tape.Reset()
	} else {
		t.tape.ResetForward()
	}
	h, auxiliary := t.model.Forward(t.tape, batch)
	if err := batch.Err(); err != nil {
		return nil, err
	}
	if batch.Train {
		t.h, t.batch, t.auxiliary = h, batch, auxiliary
	}
	return h.Value, nil
}

func (t *tapeModel) Backward(dh []float32) ([]sdk.Term, error) {
	if t.h == nil {
		return nil, errNoForward
	}
	h, auxiliary := t.h, t.auxiliary
	t.h, t.auxiliary = nil, nil
	t.tape.Seed(h, dh)
	var terms []sdk.Term
	for _, a := range auxiliary {
		if a.Rows != nil {
			terms = append(terms, sdk.Term{Name: a.Name, Value: a.Weight * a.seed(t.tape, t.batch.weights)})
			continue
		}
		t.tape.Seed(a.Value, []float32{float32(a.Weight)})
		terms = append(terms, sdk.Term{Name: a.Name, Value: a.Weight * float64(a.Value.Value[0])})
	}
	t.tape.Backward()
	return terms, nil
}

// ZeroGrad implements ZeroGrader.
func (t *tapeModel) ZeroGrad() { t.tape.ZeroGrad(t.Params()) }

// Cost implements Costed.
func (t *tapeModel) Cost() nn.Cost { return t.tape.Cost() }

func (t *tapeModel) unwrap() TapeModel { return t.model }

// seed returns the weighted mean of Rows, 0 if all weights are, and seeds its gradient.
func (a Term) seed(tape *nn.Tape, weights []float32) float64 {
	weight := func(i int) float64 {
		if weights == nil {
			return 1
		}
		return float64(weights[a.Of[i]])
	}
	var sum, total float64
	for i, v := range a.Rows.Value {
		sum += weight(i) * float64(v)
		total += weight(i)
	}
	if total == 0 {
		return 0
	}
	gradient := tape.Scratch(a.Rows.Rows)
	for i := range gradient {
		gradient[i] = float32(a.Weight * weight(i) / total)
	}
	tape.Seed(a.Rows, gradient)
	return sum / total
}
