package plugintest

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/rng"
)

// tableRows is the number of rows of the synthetic data.
const tableRows = 48

// table is a synthetic data set.
type table struct {
	modalities   []sdk.Modality
	values       [][]float32 // of modality m, [tableRows, size], NaN where a cell is missing
	lengths      [][]int32   // of sequence m, [tableRows]
	availability []uint64    // [tableRows]
}

// modalities are at least three, of all kinds that the plugin takes.
func modalities(c sdk.Capabilities) []sdk.Modality {
	var out []sdk.Modality
	for _, m := range []sdk.Modality{
		{Name: "labs", Kind: sdk.Tabular, Width: 4},
		{Name: "vitals", Kind: sdk.Sequence, Width: 2, Length: 5},
		{Name: "ecg", Kind: sdk.Embedding, Width: 3},
		{Name: "note", Kind: sdk.Tabular, Width: 2},
		{Name: "device", Kind: sdk.Sequence, Width: 1, Length: 3},
		{Name: "scan", Kind: sdk.Embedding, Width: 2},
		{Name: "history", Kind: sdk.Tabular, Width: 3},
		{Name: "monitor", Kind: sdk.Sequence, Width: 3, Length: 4},
		{Name: "text", Kind: sdk.Embedding, Width: 5},
	} {
		if len(out) < 4 && (len(c.ModalityKinds) == 0 || slices.Contains(c.ModalityKinds, m.Kind)) {
			out = append(out, m)
		}
	}
	r := rng.Stream(1, "scaling")
	for i := range out {
		m := &out[i]
		for c := range m.Width {
			m.Scaling.Mean = append(m.Scaling.Mean, float32(r.NormFloat64()))
			scale := float32(0.5 + r.Float64())
			if i == 0 && c == m.Width-1 {
				scale = 0 // a constant column
			}
			m.Scaling.Scale = append(m.Scaling.Scale, scale)
		}
	}
	return out
}

// newTable draws data: every modality is missing in about a third of the rows,
// every single-modality pattern and the complete one are there, the last row has
// nothing, and one cell in ten of an observed table is missing.
func newTable(c sdk.Capabilities) *table {
	t := &table{modalities: modalities(c), availability: make([]uint64, tableRows)}
	all := uint64(1)<<len(t.modalities) - 1
	r := rng.Stream(2, "patterns")
	for i := range tableRows - 1 {
		switch {
		case i < len(t.modalities):
			t.availability[i] = 1 << i
		case i == len(t.modalities):
			t.availability[i] = all
		default:
			t.availability[i] = draw(r, all, 0.65)
		}
	}
	for m, modality := range t.modalities {
		r := rng.Stream(3, "values", m)
		size := size(modality)
		values, lengths := make([]float32, tableRows*size), make([]int32, tableRows)
		for i := range tableRows {
			lengths[i] = int32(1 + r.IntN(max(modality.Length, 1)))
			for j := range size {
				x := float32(2 * r.NormFloat64())
				missing := r.Float64() < 0.1 && modality.Kind != sdk.Embedding
				if missing || modality.Kind == sdk.Sequence && j >= int(lengths[i])*modality.Width {
					x = float32(math.NaN())
				}
				values[i*size+j] = x
			}
		}
		t.values, t.lengths = append(t.values, values), append(t.lengths, lengths)
	}
	return t
}

// draw is a subset of the bits in own, each kept with probability keep; not
// empty unless own is.
func draw(r *rand.Rand, own uint64, keep float64) uint64 {
	for own != 0 {
		var out uint64
		for rest := own; rest != 0; rest &= rest - 1 {
			if r.Float64() < keep {
				out |= rest & -rest
			}
		}
		if out != 0 {
			return out
		}
	}
	return 0
}

func size(m sdk.Modality) int { return m.Width * max(m.Length, 1) }

// poisoned is a copy with other values, and other lengths of sequences, in every
// cell that the given availability, one mask a row, hides.
func (t *table) poisoned(availability []uint64, value float32) *table {
	out := &table{modalities: t.modalities, availability: t.availability}
	for m, modality := range t.modalities {
		size := size(modality)
		values, lengths := slices.Clone(t.values[m]), slices.Clone(t.lengths[m])
		for i := range tableRows {
			if availability[i]>>m&1 == 1 {
				continue
			}
			lengths[i] = int32(modality.Length)
			for j := range size {
				values[i*size+j] = value
			}
		}
		out.values, out.lengths = append(out.values, values), append(out.lengths, lengths)
	}
	return out
}

// write makes a feature store of the table.
func (t *table) write(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	index := features.Index{Rows: tableRows}
	var values []features.Values
	for m, modality := range t.modalities {
		index.Modalities = append(index.Modalities, features.Modality{
			Name: modality.Name, Kind: features.Kind(modality.Kind), Width: modality.Width, Length: modality.Length,
		})
		v := features.Values{Data: t.values[m]}
		if modality.Kind == sdk.Sequence {
			v.Lengths = t.lengths[m]
		}
		values = append(values, v)
	}
	return features.Write(dir, index, values)
}

// labelsOf draws labels of n rows; one in ten of a multilabel task is unknown.
func labelsOf(task sdk.Task, n int) []float32 {
	r := rng.Stream(4, "labels")
	out := make([]float32, n*task.LabelWidth())
	for i := range out {
		switch task.Kind {
		case sdk.Multiclass:
			out[i] = float32(r.IntN(task.Classes))
		case sdk.Multilabel:
			out[i] = float32(r.IntN(2))
			if r.Float64() < 0.1 {
				out[i] = float32(math.NaN())
			}
		default:
			out[i] = float32(r.IntN(2))
		}
	}
	return out
}

// sequence is 0, 1, …, n-1.
func sequence(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// normals are n draws with the given standard deviation.
func normals(r *rand.Rand, n int, deviation float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64() * deviation)
	}
	return out
}
