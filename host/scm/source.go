package scm

import (
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk/features"
)

// Generator is the name of the generator in sweeps and the first part of the name
// of a scenario's dataset.
const Generator = "mm_conf"

// rates of modalities that are missing completely at random, of the test sets
// rate:0.1 and so on.
var rates = []float64{.1, .2, .3, .5, .7}

// Tests names the shifted test sets:
//
//	do        independent confounders, masks independent of everything
//	flip      κ and γ_U with the opposite sign
//	rate:R    the test rows, modalities missing completely at random at rate R
//	pattern   the test rows, the modalities exchanged in their masks
//
// Of each, and of the test rows as they are, the truth is known.
func Tests() []string {
	names := []string{"do", "flip"}
	for _, rate := range rates {
		names = append(names, rateName(rate))
	}
	return append(names, "pattern")
}

func rateName(rate float64) string { return fmt.Sprintf("rate:%v", rate) }

// ModalityNames names the modalities of a configuration.
func (c Config) ModalityNames() []string {
	names := make([]string, c.Modalities)
	for k := range names {
		names[k] = fmt.Sprintf("m%d", k+1)
	}
	return names
}

// Source makes the dataset of a seed: training, validation and test rows, and the
// shifted test sets with their truth. What a row misses is NaN. The order of the
// rows says nothing of their part, the covariate w is W, and identifiers are
// distinct between seeds.
func Source(c Config, seed uint64) (*dataset.Source, error) {
	m, err := New(c, seed)
	if err != nil {
		return nil, fmt.Errorf("generate mm_conf: %w", err)
	}
	train, test := m.Draw("train", c.Rows), m.Draw("test", c.TestRows)
	parts := []*Rows{
		train, m.Draw("validation", c.ValidationRows),
		test, m.DrawDo("do", c.TestRows, train.Availability), m.DrawFlip("flip", c.TestRows),
	}
	for _, rate := range rates {
		parts = append(parts, test.AtRate(rateName(rate), rate))
	}
	parts = append(parts, test.Swapped())

	made := dataset.Made{
		Hash: c.DatasetHash(seed), CovariateNames: []string{"w"},
		Card: dataset.Card{
			Name: Generator, Title: "Generated data with known causal truth",
			Text: "MM-CONF: modalities, a latent confounder and availability that may depend on it.",
		},
	}
	for k, name := range c.ModalityNames() {
		modality := dataset.Modality{Name: name, Kind: features.Tabular, Width: c.Columns()}
		if k >= c.Modalities-c.Sequences {
			modality.Kind, modality.Length = features.Sequence, c.Length
		}
		made.Modalities = append(made.Modalities, modality)
	}
	total := 0
	for _, p := range parts {
		total += p.Len()
	}
	w := writer{model: m, made: &made, place: m.stream("order").Perm(total)}
	w.allocate(total)
	names := append([]string{"", "", "test"}, Tests()...)
	for i, p := range parts {
		rows := w.write(names[i], p)
		switch i {
		case 0:
			made.Train = rows
		case 1:
			made.Validation = rows
		default:
			made.Tests = append(made.Tests, w.test(names[i], rows, p))
		}
	}
	slices.Sort(made.Train)
	slices.Sort(made.Validation)
	return dataset.Make(made)
}

// writer lays rows out in a dataset, in a random order.
type writer struct {
	model *Model
	made  *dataset.Made
	place []int // of the rows, in the order they are written
	next  int
}

func (w *writer) allocate(rows int) {
	d := w.made
	d.Availability, d.Labels, d.IDs, d.Covariates = make([]uint64, rows), make([]float32, rows), make([]string, rows), make([]float32, rows)
	for _, modality := range d.Modalities {
		v := features.Values{Data: make([]float32, rows*modality.Width*max(modality.Length, 1))}
		for i := range v.Data {
			v.Data[i] = float32(math.NaN())
		}
		if modality.Kind == features.Sequence {
			v.Lengths = make([]int32, rows)
		}
		d.Values = append(d.Values, v)
	}
}

// write places the rows of a part and returns where.
func (w *writer) write(name string, rows *Rows) []int32 {
	m, d := w.model, w.made
	out := make([]int32, rows.Len())
	steps := m.stream("steps", name)
	columns := make([]float64, m.Columns())
	for i := range out {
		at := w.place[w.next]
		w.next++
		out[i] = int32(at)
		d.Availability[at], d.Labels[at] = rows.Availability[i], rows.Labels[i]
		d.IDs[at], d.Covariates[at] = fmt.Sprintf("%d-%d", m.seed, at), float32(rows.W[i])
		for k, modality := range d.Modalities {
			if rows.Availability[i]>>k&1 == 0 {
				continue
			}
			rows.Columns(columns, i, k)
			size := modality.Width * max(modality.Length, 1)
			cells := d.Values[k].Data[at*size : (at+1)*size]
			if modality.Kind == features.Sequence {
				d.Values[k].Lengths[at] = int32(sequence(cells, columns, 2+steps.IntN(modality.Length-1), steps.NormFloat64))
				continue
			}
			for j, x := range columns {
				cells[j] = float32(x)
			}
		}
	}
	return out
}

// sequence writes steps whose mean over time is x and whose deviations from it are
// noise that says nothing: P(Y = 1 | do(sequence)) is P(Y = 1 | do(x)).
func sequence(cells []float32, x []float64, steps int, normal func() float64) int {
	deviations := make([]float64, steps)
	for j, center := range x {
		mean := 0.0
		for s := range deviations {
			deviations[s] = normal()
			mean += deviations[s] / float64(steps)
		}
		for s, e := range deviations {
			cells[s*len(x)+j] = float32(center + e - mean)
		}
	}
	return steps
}

// test is a test set with rows in ascending order. The confounder is that of the
// outcome, which the columns know of in rows of the training law: there it is kept.
func (w *writer) test(name string, rows []int32, of *Rows) dataset.TestSet {
	truth, u := make(map[int32]float64, len(rows)), make(map[int32]float64, len(rows))
	for i, p := range of.Truth() {
		truth[rows[i]], u[rows[i]] = p, of.U[i]
	}
	slices.Sort(rows)
	set := dataset.TestSet{Name: name, Rows: rows}
	for _, row := range rows {
		set.Truth = append(set.Truth, truth[row])
		if name == "test" {
			set.Confounder = append(set.Confounder, u[row])
		}
	}
	return set
}
