package dataset

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/sdk/features"
)

func made() Made {
	return Made{
		Hash: "h", Card: Card{Name: "made"},
		Modalities:   []Modality{{Name: "a", Kind: features.Tabular, Width: 1}},
		Values:       []features.Values{{Data: []float32{1, 2, 3, 4, 5}}},
		Availability: []uint64{1, 1, 1, 1, 1}, Labels: []float32{0, 1, 0, 1, 0}, IDs: []string{"p", "q", "r", "s", "t"},
		Train: []int32{0}, Validation: []int32{4},
		Tests: []TestSet{{Name: "test", Rows: []int32{1, 3}, Truth: []float64{.5, .25}, Confounder: []float64{-1, 2}}, {Name: "other", Rows: []int32{2}}},
	}
}

func TestMake_comesBackFromDisk(t *testing.T) {
	src, err := Make(made())
	if err != nil {
		t.Fatal(err)
	}
	root, key := t.TempDir(), slices.Repeat([]byte{1}, keySize)
	if _, err := Find(root, "h", key); err == nil {
		t.Error("a store is found before it is built")
	}
	built, err := Build(src, root, key)
	if err != nil {
		t.Fatal(err)
	}
	built.Close()
	store, err := Find(root, "h", key)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	split, err := store.Split(SplitSpec{Scheme: Given}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Split{Train: []int32{0}, Validation: []int32{4}, Test: []int32{1, 3}}, split); diff != "" {
		t.Errorf("split (-want +got):\n%s", diff)
	}
	tests, err := store.Tests([]string{"other"}, split, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made().Tests, tests); diff != "" {
		t.Errorf("tests (-want +got):\n%s", diff)
	}
	if audit := store.Audit(); audit.Rows != 4 || audit.Patients != 4 || audit.Patterns[0].Rows != 4 || audit.Classes[1].Share != .5 {
		t.Errorf("the audit counts shifted rows: %+v", audit)
	}
	if _, err := store.Tests([]string{"othr"}, split, 0); err == nil || !strings.Contains(err.Error(), "did you mean other?") {
		t.Errorf("an unknown test set: %v", err)
	}
	if _, err := store.Split(SplitSpec{Scheme: KFold}, 0); err == nil || !strings.Contains(err.Error(), "was made with its parts") {
		t.Errorf("another split: %v", err)
	}
	if _, err := Find(root, "h", slices.Repeat([]byte{2}, keySize)); err == nil {
		t.Error("another key opens the store")
	}
}

func TestMake_refusesWhatDoesNotFit(t *testing.T) {
	for what, change := range map[string]func(*Made){
		"a row in two parts":     func(m *Made) { m.Train = []int32{1} },
		"a row that is none":     func(m *Made) { m.Validation = []int32{5} },
		"a label too few":        func(m *Made) { m.Labels = m.Labels[:4] },
		"a truth too few":        func(m *Made) { m.Tests[0].Truth = m.Tests[0].Truth[:1] },
		"a confounder too few":   func(m *Made) { m.Tests[0].Confounder = m.Tests[0].Confounder[:1] },
		"weights":                func(m *Made) { m.Tests[1].Weights = []float32{1} },
		"no plain test set":      func(m *Made) { m.Tests[0].Name = "id" },
		"covariates of no names": func(m *Made) { m.Covariates = []float32{1} },
	} {
		m := made()
		change(&m)
		if _, err := Make(m); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	// Given is for made datasets alone.
	store, _ := buildCohort(t)
	if _, err := store.Split(SplitSpec{Scheme: Given}, 0); err == nil {
		t.Error("a dataset of tables has given parts")
	}
}
