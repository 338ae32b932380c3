package dataset

import (
	"errors"
	"fmt"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
)

// Given is the scheme of a dataset that was made with its parts and test sets. It
// has no other, and no other dataset has it.
const Given = "given"

// Made is a binary dataset that a program makes instead of reading tables. Every
// row belongs to one part or test set, and every patient to one part or to the test
// sets.
type Made struct {
	// Hash identifies the content: equal hashes, equal bits.
	Hash         string
	Card         Card
	Modalities   []Modality
	Values       []features.Values // by modality
	Availability []uint64
	Labels       []float32 // 0 or 1
	IDs          []string
	// Patients are those of the rows; nil: every row is a patient of its own.
	Patients []string
	// Groups and Environment have a value for each row.
	Groups      []Group
	Environment *Group
	// Covariates are [rows, len(CovariateNames)].
	CovariateNames []string
	Covariates     []float32
	// Train and Validation are rows in ascending order.
	Train, Validation []int32
	// Tests begins with the test rows as they are, named "test"; the others are
	// shifted. None is re-weighted or changes availability.
	Tests []TestSet
}

// given is how a made dataset was divided.
type given struct {
	train, validation []int32
	tests             []TestSet
}

// Make checks a made dataset. The answer keeps the slices.
func Make(m Made) (*Source, error) {
	rows := len(m.Availability)
	if len(m.Labels) != rows || len(m.IDs) != rows || len(m.Covariates) != rows*len(m.CovariateNames) || len(m.Values) != len(m.Modalities) {
		return nil, fmt.Errorf("make dataset %s: %d labels, %d identifiers, %d covariates and %d arrays for %d rows of %d modalities",
			m.Card.Name, len(m.Labels), len(m.IDs), len(m.Covariates), len(m.Values), rows, len(m.Modalities))
	}
	if len(m.Tests) == 0 || m.Tests[0].Name != plainTest {
		return nil, fmt.Errorf("make dataset %s: the first test set is not %q", m.Card.Name, plainTest)
	}
	if m.Patients != nil && len(m.Patients) != rows {
		return nil, fmt.Errorf("make dataset %s: %d patients for %d rows", m.Card.Name, len(m.Patients), rows)
	}
	for _, g := range m.Groups {
		if len(g.Values) != rows {
			return nil, fmt.Errorf("make dataset %s: subgroup %s has %d values for %d rows", m.Card.Name, g.Name, len(g.Values), rows)
		}
	}
	if m.Environment != nil && len(m.Environment.Values) != rows {
		return nil, fmt.Errorf("make dataset %s: %d environments for %d rows", m.Card.Name, len(m.Environment.Values), rows)
	}
	seen := make([]bool, rows)
	parts := [][]int32{m.Train, m.Validation}
	for _, t := range m.Tests {
		if t.Availability != nil || t.Weights != nil || t.Truth != nil && len(t.Truth) != len(t.Rows) || t.Confounder != nil && len(t.Confounder) != len(t.Rows) {
			return nil, fmt.Errorf("make dataset %s: test set %s has weights, other availability, or %d truths and %d confounders for %d rows", m.Card.Name, t.Name, len(t.Truth), len(t.Confounder), len(t.Rows))
		}
		parts = append(parts, t.Rows)
	}
	for _, part := range parts {
		for _, row := range part {
			if row < 0 || int(row) >= rows || seen[row] {
				return nil, fmt.Errorf("make dataset %s: row %d of %d is in two parts, or is none", m.Card.Name, row, rows)
			}
			seen[row] = true
		}
	}
	src := &Source{hash: m.Hash, values: m.Values}
	src.content = content{
		card: m.Card, task: sdk.Task{Kind: sdk.Binary, Classes: 2}, classes: []string{"0", "1"}, modalities: m.Modalities,
		availability: m.Availability, labels: m.Labels, ids: m.IDs,
		covariate: m.CovariateNames, covariates: m.Covariates, groups: m.Groups, environment: m.Environment,
		given: &given{train: m.Train, validation: m.Validation, tests: m.Tests},
	}
	index := map[string]int32{}
	for row, id := range m.IDs {
		if m.Patients != nil {
			id = m.Patients[row]
		}
		p, known := index[id]
		if !known {
			p = int32(len(src.patients))
			index[id], src.patients = p, append(src.patients, id)
		}
		src.patient = append(src.patient, p)
	}
	if err := src.checkPatients(parts); err != nil {
		return nil, err
	}
	return src, nil
}

// checkPatients refuses a patient in two of the training, validation and test rows.
// parts are the first two and all test sets.
func (src *Source) checkPatients(parts [][]int32) error {
	of := make([]int, len(src.patients)) // 1 + part; all test sets are one
	for i, part := range parts {
		for _, row := range part {
			p := src.patient[row]
			if mine := 1 + min(i, 2); of[p] == 0 {
				of[p] = mine
			} else if of[p] != mine {
				return fmt.Errorf("make dataset %s: a patient is in two of the training, validation and test rows", src.card.Name)
			}
		}
	}
	return nil
}

// named returns the first test set and those with the given names.
func (g *given) named(names []string) ([]TestSet, error) {
	out := []TestSet{g.tests[0]}
	for _, name := range names {
		i := slices.IndexFunc(g.tests, func(t TestSet) bool { return t.Name == name })
		if i < 1 {
			return nil, fmt.Errorf("shifted test set %q: the dataset was made without it%s", name, didYouMean(name, g.names()[1:]))
		}
		out = append(out, g.tests[i])
	}
	return out, nil
}

func (g *given) names() []string {
	var names []string
	for _, t := range g.tests {
		names = append(names, t.Name)
	}
	return names
}

// split refuses every scheme but Given.
func (g *given) split(name, scheme string) (Split, error) {
	if scheme != Given {
		return Split{}, fmt.Errorf("split scheme %q: dataset %s was made with its parts, use %q", scheme, name, Given)
	}
	return Split{Train: g.train, Validation: g.validation, Test: g.tests[0].Rows}, nil
}

// metaGiven is what private.json says of a made dataset. The rows are one after
// the other in given.npy, training and validation first, and the truth and the
// confounder of the test rows in truth.npy and confounder.npy.
type metaGiven struct {
	Train      int         `json:"train"`
	Validation int         `json:"validation"`
	Tests      []metaTests `json:"tests"`
}

type metaTests struct {
	Name       string `json:"name"`
	Rows       int    `json:"rows"`
	Truth      bool   `json:"truth"`
	Confounder bool   `json:"confounder"`
}

// meta describes the arrays rows, truth and latent.
func (g *given) meta() (m *metaGiven, rows []int32, truth, latent []float64) {
	m = &metaGiven{Train: len(g.train), Validation: len(g.validation)}
	rows = slices.Concat(g.train, g.validation)
	for _, t := range g.tests {
		m.Tests = append(m.Tests, metaTests{Name: t.Name, Rows: len(t.Rows), Truth: t.Truth != nil, Confounder: t.Confounder != nil})
		rows, truth, latent = append(rows, t.Rows...), append(truth, t.Truth...), append(latent, t.Confounder...)
	}
	return m, rows, truth, latent
}

// read is the reverse of meta.
func (m *metaGiven) read(dir string) (*given, error) {
	rows, truths, latents := m.Train+m.Validation, 0, 0
	for _, t := range m.Tests {
		rows += t.Rows
		if t.Truth {
			truths += t.Rows
		}
		if t.Confounder {
			latents += t.Rows
		}
	}
	var all []int32
	if err := readArray(dir, givenArray, &all, rows); err != nil {
		return nil, err
	}
	var truth, latent []float64
	if err := errors.Join(readArray(dir, truthArray, &truth, truths), readArray(dir, latentArray, &latent, latents)); err != nil {
		return nil, err
	}
	g := &given{train: all[:m.Train], validation: all[m.Train:][:m.Validation]}
	all = all[m.Train+m.Validation:]
	for _, t := range m.Tests {
		set := TestSet{Name: t.Name, Rows: all[:t.Rows]}
		all = all[t.Rows:]
		if t.Truth {
			set.Truth, truth = truth[:t.Rows], truth[t.Rows:]
		}
		if t.Confounder {
			set.Confounder, latent = latent[:t.Rows], latent[t.Rows:]
		}
		g.tests = append(g.tests, set)
	}
	return g, nil
}
