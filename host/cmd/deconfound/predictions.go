package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// patientGroup is the subgroup column under which the tracker keeps which rows
// belong to one patient, in datasets where a patient has several.
const patientGroup = "patient"

// describeDataset tells the tracker what its views and compare need to know of a
// dataset: task, pattern names, subgroup levels and which rows share a patient.
// Identifiers go as keyed hashes. ref is how runs refer to it: the stores of a
// generated dataset, one for each seed, share a name and a hash.
func describeDataset(ctx context.Context, store *tracker.Store, data *dataset.Store, ref sweeps.DatasetRef) error {
	info := tracker.DatasetInfo{
		Name: ref.Name, Hash: ref.Hash, Patterns: map[uint64]string{}, Key: data.KeyID(),
		Task: string(data.Task().Kind), Classes: data.Task().Classes,
	}
	units := data.UnitHash()
	// An intervention can show any sub-pattern of what a row has; name those that
	// occur, and every one if they are few.
	for _, a := range data.Availability() {
		info.Patterns[a] = data.PatternName(a)
	}
	if m := len(data.Modalities()); m <= 12 {
		for pattern := range uint64(1) << m {
			info.Patterns[pattern] = data.PatternName(pattern)
		}
	}
	for _, group := range data.Groups() {
		for row, level := range group.Values {
			if level >= 0 {
				info.Groups = append(info.Groups, tracker.UnitGroup{Unit: units[row], Group: group.Name, Level: group.Levels[level]})
			}
		}
	}
	if data.Patients() < data.Rows() {
		// The smallest hash of their rows stands for the patient: planted datasets of
		// several seeds have the same rows in another order.
		first := make(map[int32]int64, data.Patients())
		for row, patient := range data.PatientIndex() {
			if unit, known := first[patient]; !known || units[row] < unit {
				first[patient] = units[row]
			}
		}
		for row, patient := range data.PatientIndex() {
			info.Groups = append(info.Groups, tracker.UnitGroup{Unit: units[row], Group: patientGroup, Level: fmt.Sprintf("%016x", uint64(first[patient]))})
		}
	}
	return store.DescribeDataset(ctx, info)
}

// described is what compare knows of a dataset.
type described struct {
	task     stats.Task
	patterns map[uint64]string
	patients map[int64]int64 // unit -> patient; nil where every row is a patient
}

// knownDatasets keeps what was read of datasets, by content hash: most runs of a
// sweep share theirs.
type knownDatasets map[string]described

func (k knownDatasets) labels(ctx context.Context, store *tracker.Store, hash string) (described, error) {
	if d, ok := k[hash]; ok {
		return d, nil
	}
	d, err := datasetLabels(ctx, store, hash)
	if err == nil {
		k[hash] = d
	}
	return d, err
}

func datasetLabels(ctx context.Context, store *tracker.Store, hash string) (described, error) {
	info, err := store.Dataset(ctx, hash)
	if err != nil {
		return described{}, err
	}
	d := described{task: stats.Task{Kind: stats.Kind(info.Task), Classes: info.Classes}, patterns: info.Patterns}
	for _, g := range info.Groups {
		if g.Group != patientGroup {
			continue
		}
		if d.patients == nil {
			d.patients = map[int64]int64{}
		}
		h := fnv.New64a()
		h.Write([]byte(g.Level))
		d.patients[g.Unit] = int64(h.Sum64())
	}
	return d, nil
}

// run turns the stored predictions of one seed into the rows that compare reads.
// Outputs whose label is unknown were not stored; they come back as NaN.
func (d described) run(p *tracker.RunPredictions) stats.Run {
	outputs := d.task.Outputs()
	run := stats.Run{Seed: p.Run.SplitSeed}
	for i := 0; i < len(p.Unit); {
		unit := p.Unit[i]
		scores, labels := make([]float64, outputs), make([]float64, outputs)
		for c := range labels {
			scores[c], labels[c] = 0.5, math.NaN()
		}
		run.Units = append(run.Units, unit)
		run.Patterns = append(run.Patterns, d.patterns[p.Pattern[i]])
		run.Weights = append(run.Weights, float64(p.Weight[i]))
		if p.Truth[i] > 0 {
			run.Truth = append(run.Truth, float64(p.Truth[i]))
		}
		if d.patients != nil {
			run.Clusters = append(run.Clusters, d.patients[unit])
		}
		for ; i < len(p.Unit) && p.Unit[i] == unit; i++ {
			c := int(p.Class[i])
			if outputs == 1 {
				c = 0
			}
			if c >= 0 && c < outputs {
				scores[c], labels[c] = float64(p.Score[i]), float64(p.Label[i])
			}
		}
		run.Scores = append(run.Scores, scores...)
		if d.task.Kind == stats.Multiclass {
			class := math.NaN()
			for c, label := range labels {
				if label == 1 {
					class = float64(c)
				}
			}
			labels = []float64{class}
		}
		run.Labels = append(run.Labels, labels...)
	}
	return run
}
