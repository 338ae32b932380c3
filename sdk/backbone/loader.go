package backbone

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
)

// Loader makes batches from a source and reuses their memory: a batch is valid
// until the next one. Sessions have their own; a test of a Model makes one.
type Loader struct {
	modalities    []sdk.Modality
	source        Source
	batch         Batch
	observed      [][]int32
	observedKnown []bool
	floats        arena[float32]
	ints          arena[int32]
}

// NewLoader returns a loader of the modalities of source.
func NewLoader(modalities []sdk.Modality, source Source) *Loader {
	return &Loader{
		modalities:    modalities,
		source:        source,
		observed:      make([][]int32, len(modalities)),
		observedKnown: make([]bool, len(modalities)),
	}
}

// Eval makes a batch outside training. The slices stay the caller's.
func (l *Loader) Eval(rows []int32, availability []uint64) (*Batch, error) {
	if len(rows) == 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "the batch is empty")
	}
	if len(availability) != len(rows) {
		return nil, sdk.Errorf(sdk.CodeBadShape, "availability has %d masks for %d rows", len(availability), len(rows))
	}
	known := uint64(1)<<uint(len(l.modalities)) - 1 // all bits for 64 modalities
	for i, r := range rows {
		if r < 0 || int(r) >= l.source.Rows() {
			return nil, sdk.Errorf(sdk.CodeBadRequest, "row %d at position %d is not in the feature store, which has %d rows", r, i, l.source.Rows())
		}
		if extra := availability[i] &^ known; extra != 0 {
			return nil, sdk.Errorf(sdk.CodeBadRequest, "availability %#x at position %d has bits beyond the %d modalities", availability[i], i, len(l.modalities))
		}
	}
	l.batch = Batch{Size: len(rows), Rows: rows, Availability: availability, loader: l}
	clear(l.observedKnown)
	l.floats.reset()
	l.ints.reset()
	return &l.batch, nil
}

// Train makes a batch for training: labels may be nil, r is the stream for
// dropout.
func (l *Loader) Train(rows []int32, availability []uint64, labels []float32, r *rand.Rand) (*Batch, error) {
	b, err := l.Eval(rows, availability)
	if err != nil {
		return nil, err
	}
	b.Train, b.Labels, b.Rand = true, labels, r
	return b, nil
}

// arena hands out slices whose memory is used again after reset. As a model asks
// for the same slices in the same order every step, the n-th one is kept for the
// n-th request.
type arena[T any] struct {
	chunks [][]T
	next   int
}

func (a *arena[T]) reset() { a.next = 0 }

func (a *arena[T]) take(n int) []T {
	if a.next == len(a.chunks) {
		a.chunks = append(a.chunks, nil)
	}
	if cap(a.chunks[a.next]) < n {
		a.chunks[a.next] = make([]T, n)
	}
	s := a.chunks[a.next][:n:n]
	a.next++
	return s
}
