package main

import (
	"fmt"
	"math"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/sdk"
)

const (
	// maxSites is the number of environments up to which they count as a covariate;
	// with more, a column for each would explain any mask by chance.
	maxSites = 20
	// blockComponents and blockColumns bound what Little's test sees of a modality:
	// principal components of its first columns.
	blockComponents = 2
	blockColumns    = 64
)

// cohortOf turns a store into what the diagnostics read. The event is the label
// of Audit; the covariates are those of the manifest and the environment.
func cohortOf(store *dataset.Store) (diagnose.Cohort, error) {
	rows := store.Natural()
	c := diagnose.Cohort{}
	all := events(store)
	for _, row := range rows {
		c.Availability = append(c.Availability, store.Availability()[row])
		c.Events = append(c.Events, all[row])
		c.Patients = append(c.Patients, int64(store.PatientIndex()[row]))
	}
	for _, m := range store.Modalities() {
		c.Blocks = append(c.Blocks, m.Name)
	}
	c.Covariates, c.W = adjustmentSet(store, rows, rows)
	if err := addComponents(&c, store, rows); err != nil {
		return diagnose.Cohort{}, fmt.Errorf("audit dataset %s: %w", store.Name(), err)
	}
	return c, nil
}

// events are the labels of the diagnostics: class 1, the last of several classes,
// the first of several labels; NaN where unknown.
func events(store *dataset.Store) []float64 {
	task := store.Task()
	width := task.LabelWidth()
	out := make([]float64, store.Rows())
	for i := range out {
		y := float64(store.Labels()[i*width])
		if task.Kind == sdk.Multiclass {
			if y == float64(task.Classes-1) {
				y = 1
			} else {
				y = 0
			}
		}
		out[i] = y
	}
	return out
}

// adjustmentSet is W of rows, [len(rows), len(names)], scaled by the rows train:
// the declared covariates and a column for every environment but the first.
func adjustmentSet(store *dataset.Store, rows, train []int32) (names []string, values []float64) {
	names = append(names, store.CovariateNames()...)
	declared := store.Covariates(rows, train)
	width := store.CovariateWidth()
	var sites []string
	if levels := store.EnvironmentLevels(); len(levels) > 1 && len(levels) <= maxSites {
		sites = levels[1:]
		for _, level := range sites {
			names = append(names, "environment="+level)
		}
	}
	for i, row := range rows {
		for _, v := range declared[i*width : (i+1)*width] {
			values = append(values, float64(v))
		}
		for s := range sites {
			is := 0.0
			if int(store.Environment()[row]) == s+1 {
				is = 1
			}
			values = append(values, is)
		}
	}
	// An environment that is also declared as a covariate counts once.
	kept := diagnose.Independent(values, len(names))
	if len(kept) == len(names) {
		return names, values
	}
	var fewer []float64
	for i := range rows {
		for _, j := range kept {
			fewer = append(fewer, values[i*len(names)+j])
		}
	}
	var left []string
	for _, j := range kept {
		left = append(left, names[j])
	}
	return left, fewer
}

// addComponents fills Values with a few columns of every modality. The columns
// of a sequence are its means over time.
func addComponents(c *diagnose.Cohort, store *dataset.Store, rows []int32) error {
	var columns [][]float64
	for m, modality := range store.Modalities() {
		width := min(modality.Width, blockColumns)
		var present []int
		var x []float64
		for i, mask := range c.Availability {
			if mask>>m&1 == 0 {
				continue
			}
			values, err := store.Features().Raw(m, rows[i])
			if err != nil {
				return err
			}
			present = append(present, i)
			for j := range width {
				sum, n := 0.0, 0.0
				for at := j; at < len(values); at += modality.Width {
					if v := float64(values[at]); !math.IsNaN(v) {
						sum, n = sum+v, n+1
					}
				}
				x = append(x, sum/n) // NaN where the column has no value
			}
		}
		fitted := make([]int, len(present))
		for i := range fitted {
			fitted[i] = i
		}
		values, k := diagnose.FirstComponents(x, width, fitted, blockComponents)
		for component := range k {
			column := make([]float64, len(c.Availability))
			for i := range column {
				column[i] = math.NaN()
			}
			for i, row := range present {
				column[row] = values[i*k+component]
			}
			columns = append(columns, column)
		}
	}
	c.Width = len(columns)
	for i := range c.Availability {
		for _, column := range columns {
			c.Values = append(c.Values, column[i])
		}
	}
	return nil
}
