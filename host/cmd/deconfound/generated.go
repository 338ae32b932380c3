package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/scm"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
)

// isGenerated reports whether a name is one of a generator's own: mm_conf/S2.
func isGenerated(name string) bool {
	generator, _, _ := strings.Cut(name, "/")
	return generator == scm.Generator
}

// scenarioNames lists the datasets that need no definition.
func scenarioNames() []string {
	var names []string
	for _, s := range scm.Scenarios() {
		names = append(names, scm.Generator+"/"+s)
	}
	return names
}

// scenarioOf reads a name such as mm_conf/S2.
func scenarioOf(name string) (scm.Config, error) {
	_, scenario, _ := strings.Cut(name, "/")
	cfg, ok := scm.Scenario(scenario)
	if !ok {
		return scm.Config{}, fmt.Errorf("%s is not a dataset: name a scenario, %s, or define [datasets.NAME] with generator = %q and its settings", name, strings.Join(scenarioNames(), ", "), scm.Generator)
	}
	return cfg, nil
}

func describeScenario(name string) (sweeps.DatasetInfo, error) {
	cfg, err := scenarioOf(name)
	return describeGenerated(name, cfg), err
}

// describeGenerated says what a sweep may ask of a dataset, without making it.
func describeGenerated(name string, cfg scm.Config) sweeps.DatasetInfo {
	return sweeps.DatasetInfo{
		Name: name, Hash: familyHash(name, cfg), Generator: scm.Generator, Settings: cfg.Settings(),
		Modalities: cfg.ModalityNames(), Shifts: scm.Tests(), Rows: cfg.Rows + cfg.ValidationRows + cfg.TestRows,
		Task: string(sdk.Binary), Classes: 2, Truth: true,
	}
}

// familyHash identifies the datasets of all seeds. As in a dataset of tables, the
// name is part of it: the tracker knows one name for one hash.
func familyHash(name string, cfg scm.Config) string {
	sum := sha256.Sum256([]byte(name + "\n" + cfg.Hash()))
	return hex.EncodeToString(sum[:])
}

// Generator lists the settings of a generator.
func (c *catalog) Generator(name string) ([]sweeps.Parameter, error) {
	var out []sweeps.Parameter
	switch name {
	case scm.Generator:
		for _, p := range scm.Parameters() {
			out = append(out, settingOf(p.Type, p.Name, p.Default, p.Min, p.Max, p.Values, p.Text))
		}
	case plantedGenerator:
		for _, p := range dataset.PlantingParameters() {
			out = append(out, settingOf(p.Type, p.Name, p.Default, p.Min, p.Max, p.Values, p.Text))
		}
	default:
		known := []string{scm.Generator, plantedGenerator}
		err := fmt.Errorf("no generator %q; there are %s", name, strings.Join(known, " and "))
		if near := sdk.Nearest(name, known); near != "" {
			err = fmt.Errorf("%w; did you mean %s?", err, near)
		}
		return nil, err
	}
	return out, nil
}

// Generate describes the dataset that a generator makes of settings.
func (c *catalog) Generate(name, generator string, settings sweeps.Settings) (sweeps.DatasetInfo, error) {
	if generator == plantedGenerator {
		return c.describePlanted(name, settings)
	}
	cfg, err := scm.Parse(settings)
	if err != nil {
		return sweeps.DatasetInfo{}, err
	}
	return describeGenerated(name, cfg), nil
}

// generated opens the store of a generated dataset and seed, and makes it first if
// it is not there.
func (h home) generated(cfg scm.Config, seed int) (*dataset.Store, error) {
	key, err := h.key()
	if err != nil {
		return nil, fmt.Errorf("read installation key: %w", err)
	}
	store, err := dataset.Find(h.stores(), cfg.DatasetHash(uint64(seed)), key)
	if !errors.Is(err, fs.ErrNotExist) {
		return store, err
	}
	source, err := scm.Source(cfg, uint64(seed))
	if err != nil {
		return nil, err
	}
	return dataset.Build(source, h.stores(), key)
}

// openGenerated opens the dataset of a run: its seed is the run's split seed.
func (h home) openGenerated(ctx context.Context, ref sweeps.DatasetRef, seed int) (*dataset.Store, error) {
	if ref.Generator == plantedGenerator {
		return h.openPlanted(ctx, ref, seed)
	}
	cfg, err := scm.Parse(ref.Settings)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", ref.Name, err)
	}
	if got := familyHash(ref.Name, cfg); ref.Generator != scm.Generator || got != ref.Hash {
		return nil, sdk.Errorf(codeDataDrift, "this program generates dataset %s with hash %.12s, the sweep was planned with %.12s; use the same version, or run the sweep file again to plan with this one", ref.Name, got, ref.Hash)
	}
	return h.generated(cfg, seed)
}

// openReferenced opens the dataset of a run, whatever makes it.
func (h home) openReferenced(ctx context.Context, ref sweeps.DatasetRef, seed int) (*dataset.Store, error) {
	if ref.Generator != "" {
		return h.openGenerated(ctx, ref, seed)
	}
	return h.openDataset(ctx, ref.Name)
}
