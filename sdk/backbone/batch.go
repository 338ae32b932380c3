package backbone

import (
	"math/rand/v2"
)

// Batch is one request to a Model. Its slices, and those its methods return, are
// valid until the next Forward and must not be written to.
type Batch struct {
	// Size is the number of rows, at least 1 and at most Config.MaxBatch.
	Size int
	// Rows are the row numbers in the feature store, [Size].
	Rows []int32
	// Availability has bit m set where a row has modality m, [Size].
	Availability []uint64
	// Train tells training from everything else.
	Train bool
	// Labels are the labels of the rows, [Size * Task.LabelWidth()], only in
	// training and only if the plugin declares NeedsLabels; else nil.
	Labels []float32
	// Rand is the stream for dropout: nil unless Train, and keyed by the seed and
	// the step.
	Rand *rand.Rand

	loader  *Loader
	err     error
	weights []float32 // of the rows in Backward; nil: all count alike
}

// Has reports whether row i of the batch has modality m.
func (b *Batch) Has(i, m int) bool { return b.Availability[i]>>uint(m)&1 == 1 }

// Observed returns the positions in the batch, in order, of the rows that have
// modality m; nil if there are none.
func (b *Batch) Observed(m int) []int32 {
	l := b.loader
	if !l.observedKnown[m] {
		l.observedKnown[m] = true
		l.observed[m] = l.observed[m][:0]
		for i, a := range b.Availability {
			if a>>uint(m)&1 == 1 {
				l.observed[m] = append(l.observed[m], int32(i))
			}
		}
	}
	if len(l.observed[m]) == 0 {
		return nil
	}
	return l.observed[m]
}

// Features returns the standardised features of modality m for rows of the batch
// (positions, usually Observed(m)): Width values each, or Length*Width for a
// sequence, whose steps beyond its length are zero. After an error, which the
// session reports, the values are zero.
func (b *Batch) Features(m int, rows []int32) []float32 {
	l := b.loader
	dst := l.floats.take(len(rows) * rowSize(l.modalities[m]))
	if err := l.source.Gather(m, b.storeRows(rows), dst); err != nil {
		b.fail(err)
		clear(dst)
	}
	return dst
}

// Lengths returns the number of time steps of sequence m for rows of the batch.
func (b *Batch) Lengths(m int, rows []int32) []int32 {
	dst := b.loader.ints.take(len(rows))
	if err := b.loader.source.Lengths(m, b.storeRows(rows), dst); err != nil {
		b.fail(err)
		clear(dst)
	}
	return dst
}

// Err returns the first error of reading features.
func (b *Batch) Err() error { return b.err }

func (b *Batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *Batch) storeRows(rows []int32) []int32 {
	out := b.loader.ints.take(len(rows))
	for i, r := range rows {
		out[i] = b.Rows[r]
	}
	return out
}

// Masks returns the availability as numbers, twice, [Size, modalities]: 1 and 0 to
// multiply by, and 0 and -1e9 to add to scores before a softmax.
func (b *Batch) Masks() (mask, penalty []float32) {
	cols := len(b.loader.modalities)
	mask, penalty = b.loader.floats.take(b.Size*cols), b.loader.floats.take(b.Size*cols)
	for i, a := range b.Availability {
		for m := range cols {
			if a>>uint(m)&1 == 1 {
				mask[i*cols+m], penalty[i*cols+m] = 1, 0
			} else {
				mask[i*cols+m], penalty[i*cols+m] = 0, -1e9
			}
		}
	}
	return mask, penalty
}
