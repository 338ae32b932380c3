package shown

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/deconfound/deconfound/tracker"
)

// RunsDiff is in what two runs differ.
type RunsDiff struct {
	A       int64            `json:"a"`
	B       int64            `json:"b"`
	Spec    []SpecDifference `json:"spec"` // settings, data, plugins, provenance
	Results []ResultChange   `json:"results"`
}

// SpecDifference is a setting with two values; null where a run has none.
type SpecDifference struct {
	Key string          `json:"key"`
	A   json.RawMessage `json:"a"`
	B   json.RawMessage `json:"b"`
}

// ResultChange is a final metric that differs.
type ResultChange struct {
	Metric     string `json:"metric"`
	A          Number `json:"a"`
	B          Number `json:"b"`
	Difference Number `json:"difference"` // b - a
}

// DiffRuns compares the settings, provenance and environment of two runs and the
// results that both have.
func DiffRuns(a, b tracker.Run, results map[int64]map[tracker.Metric]float64) (RunsDiff, error) {
	diff := RunsDiff{A: a.ID, B: b.ID, Spec: []SpecDifference{}, Results: []ResultChange{}}
	x, err := settingsOf(a)
	if err != nil {
		return diff, err
	}
	y, err := settingsOf(b)
	if err != nil {
		return diff, err
	}
	keys := maps.Clone(x)
	maps.Copy(keys, y)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if x[key] != y[key] {
			diff.Spec = append(diff.Spec, SpecDifference{Key: key, A: raw(x[key]), B: raw(y[key])})
		}
	}
	values := make([]map[string]float64, 2)
	names := map[string]bool{}
	for i, id := range []int64{a.ID, b.ID} {
		values[i] = map[string]float64{}
		for m, v := range results[id] {
			values[i][m.String()] = v
			names[m.String()] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		x, inA := values[0][name]
		y, inB := values[1][name]
		if inA && inB && !Same(x, y) {
			diff.Results = append(diff.Results, ResultChange{Metric: name, A: Number(x), B: Number(y), Difference: Number(y - x)})
		}
	}
	return diff, nil
}

// Same says that two numbers are equal, or both undefined.
func Same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// settingsOf flattens all that a run depends on into dotted keys with JSON values.
func settingsOf(run tracker.Run) (map[string]string, error) {
	out := map[string]string{}
	var spec map[string]any
	if err := json.Unmarshal(run.Spec, &spec); err != nil {
		return nil, fmt.Errorf("read the settings of run %d: %w", run.ID, err)
	}
	var environment map[string]any
	if err := json.Unmarshal(run.Environment, &environment); err != nil {
		return nil, fmt.Errorf("read the environment of run %d: %w", run.ID, err)
	}
	if spec == nil {
		spec = map[string]any{}
	}
	spec["environment"] = environment
	spec["program"] = map[string]any{"version": run.HostVersion, "commit": run.GitCommit, "dirty": run.GitDirty}
	return out, flatten(out, "", spec)
}

func flatten(out map[string]string, prefix string, v any) error {
	if table, ok := v.(map[string]any); ok {
		for key, field := range table {
			if prefix != "" {
				key = prefix + "." + key
			}
			if err := flatten(out, key, field); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := json.Marshal(v)
	out[prefix] = string(text)
	return err
}

func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}
