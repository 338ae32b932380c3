package encoder

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Config says what a Set encodes and how.
type Config struct {
	Modalities []sdk.Modality
	// Width is the number of columns of every embedding.
	Width int
	// Hidden is the width of the hidden layer of a table and of the state of a
	// sequence.
	Hidden int
	// Dropout is the rate after the hidden layer, in training.
	Dropout float64
	// Rand returns the stream for initial values, usually backbone.Config.Rand.
	Rand func(labels ...any) *rand.Rand
	// Leave is the kind that a model reads by itself and that is not to be encoded.
	Leave sdk.ModalityKind
}

// Set has one encoder for each modality.
type Set struct {
	width    int
	encoders []encoder
	all      []*nn.Var // of Encode
}

// encoder maps the rows of a batch that have its modality to [len(rows), width].
type encoder interface {
	encode(tape *nn.Tape, batch *backbone.Batch, rows []int32) *nn.Var
}

// New makes the encoders; their parameters are named encoder.<modality>. Embeddings of
// a modality that Config.Leave leaves to the model must not be asked for.
func New(ps *nn.Params, c Config) *Set {
	s := &Set{width: c.Width}
	for m, modality := range c.Modalities {
		if modality.Kind == c.Leave {
			s.encoders = append(s.encoders, nil)
			continue
		}
		name := "encoder." + modality.Name
		r := c.Rand("encoder", modality.Name)
		switch modality.Kind {
		case sdk.Sequence:
			s.encoders = append(s.encoders, newSequence(ps, name, m, modality, c, r))
		case sdk.Embedding:
			s.encoders = append(s.encoders, newEmbedding(ps, name, m, modality, c, r))
		default:
			s.encoders = append(s.encoders, newTable(ps, name, m, modality, c, r))
		}
	}
	return s
}

// Encode returns e_m [batch.Size, Width] for every modality, zero in rows that do
// not have it. The slice is valid until the next call.
func (s *Set) Encode(tape *nn.Tape, batch *backbone.Batch) []*nn.Var {
	s.all = s.all[:0]
	for m := range s.encoders {
		s.all = append(s.all, s.Modality(tape, batch, m))
	}
	return s.all
}

// Parts is Encode for [nn.Tape.LinearParts], which computes no zeros.
func (s *Set) Parts(tape *nn.Tape, batch *backbone.Batch) []nn.Part {
	parts := make([]nn.Part, len(s.encoders))
	for m := range s.encoders {
		e, rows := s.Observed(tape, batch, m)
		if e == nil {
			e = tape.Const(0, s.width, nil)
		}
		parts[m] = nn.Part{X: e, Rows: rows}
	}
	return parts
}

// Modality is Encode for one modality.
func (s *Set) Modality(tape *nn.Tape, batch *backbone.Batch, m int) *nn.Var {
	e, rows := s.Observed(tape, batch, m)
	if e == nil {
		return tape.Const(batch.Size, s.width, tape.Scratch(batch.Size*s.width))
	}
	if len(rows) == batch.Size {
		return e
	}
	return tape.Scatter(e, rows, batch.Size)
}

// Observed returns the embeddings of the rows that have modality m, [n, Width],
// and the n rows; nil if there are none.
func (s *Set) Observed(tape *nn.Tape, batch *backbone.Batch, m int) (*nn.Var, []int32) {
	rows := batch.Observed(m)
	if len(rows) == 0 {
		return nil, nil
	}
	return s.encoders[m].encode(tape, batch, rows), rows
}
