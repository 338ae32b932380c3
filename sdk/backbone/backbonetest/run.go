package backbonetest

import (
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
)

// Run checks the plugin that backbone.New(info, build) makes. Checks that the
// plugin's Capabilities do not promise are left out.
func Run(t *testing.T, info sdk.Info, build func(backbone.Config) (backbone.Model, error)) {
	s := &suite{info: info, build: build}
	s.info.Kind = sdk.KindBackbone
	if err := s.info.Validate(); err != nil {
		t.Fatalf("info: %v", err)
	}
	t.Run("Gradient", s.gradient)
	t.Run("Mask", s.mask)
	t.Run("Rows", s.rows)
	t.Run("Dropout", s.dropout)
	t.Run("Learns", s.learns)
	t.Run("Snapshot", s.snapshot)
	t.Run("Sessions", s.sessions)
	t.Run("Errors", s.errors)
}

type suite struct {
	info  sdk.Info
	build func(backbone.Config) (backbone.Model, error)
}

// config is a small model of all kinds of modality that the plugin takes.
func (s *suite) config(t *testing.T, task sdk.Task) backbone.Config {
	t.Helper()
	values := map[string]any{}
	for _, h := range s.info.Hyperparameters {
		// Small, but more than one of everything.
		switch h.Name {
		case "hidden":
			values[h.Name] = 8
		case "heads":
			values[h.Name] = 2
		}
	}
	complete, err := s.info.Complete(values)
	if err != nil {
		t.Fatalf("hyperparameters: %v", err)
	}
	var modalities []sdk.Modality
	for _, m := range []sdk.Modality{
		{Name: "labs", Kind: sdk.Tabular, Width: 4},
		{Name: "vitals", Kind: sdk.Sequence, Width: 2, Length: 5},
		{Name: "ecg", Kind: sdk.Embedding, Width: 3},
		{Name: "note", Kind: sdk.Tabular, Width: 1},
	} {
		if s.info.Capabilities.Accepts(task, []sdk.Modality{m}) == nil {
			modalities = append(modalities, m)
		}
	}
	return backbone.Config{
		Modalities:      modalities,
		Width:           6,
		Task:            task,
		Hyperparameters: complete,
		MaxBatch:        16,
		Seed:            7,
	}
}

// task is the first task the plugin takes.
func (s *suite) tasks() []sdk.Task {
	var tasks []sdk.Task
	for _, task := range []sdk.Task{{Kind: sdk.Binary}, {Kind: sdk.Multiclass, Classes: 3}, {Kind: sdk.Multilabel, Classes: 2}} {
		if s.info.Capabilities.Accepts(task, nil) == nil {
			tasks = append(tasks, task)
		}
	}
	return tasks
}

func (s *suite) model(t *testing.T, c backbone.Config) backbone.Model {
	t.Helper()
	m, err := s.build(c)
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	if closer, ok := m.(interface{ Close() error }); ok {
		t.Cleanup(func() {
			if err := closer.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	return m
}
