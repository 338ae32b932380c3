package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
)

// plantedGenerator makes semi-synthetic datasets: real rows with a planted bias.
const plantedGenerator = "planted"

// describePlanted says what a sweep may ask of a planted dataset, without making
// it. Errors begin with the setting they are about.
func (c *catalog) describePlanted(name string, settings sweeps.Settings) (sweeps.DatasetInfo, error) {
	p, err := dataset.ParsePlanting(settings)
	if err != nil {
		return sweeps.DatasetInfo{}, err
	}
	base, err := c.home.plantingBase(c.ctx, p)
	if err != nil {
		return sweeps.DatasetInfo{}, err
	}
	defer base.Close()
	info := sweeps.DatasetInfo{
		Name: name, Hash: plantedHash(name, p, base), Generator: plantedGenerator, Settings: p.Settings(),
		Shifts: p.Tests(), Rows: base.Rows(), Task: string(base.Task().Kind), Classes: 2, Truth: p.HasTruth(),
	}
	if info.Modalities, err = base.PlantedModalities(p); err != nil {
		return sweeps.DatasetInfo{}, err
	}
	for _, g := range base.Groups() {
		info.Groups = append(info.Groups, g.Name)
	}
	if base.Environment() != nil {
		info.Groups = append(info.Groups, "environment")
	}
	return info, nil
}

// plantingBase opens the dataset with the rows.
func (h home) plantingBase(ctx context.Context, p dataset.Planting) (*dataset.Store, error) {
	base, err := h.openDataset(ctx, p.Base)
	if err == nil {
		return base, nil
	}
	if near := sdk.Nearest(p.Base, h.datasetNames()); near != "" && near != p.Base {
		return nil, fmt.Errorf("base is %q: %w; did you mean %s?", p.Base, err, near)
	}
	return nil, fmt.Errorf("base is %q: %w", p.Base, err)
}

// plantedHash identifies the datasets of all seeds: by name, base and settings.
func plantedHash(name string, p dataset.Planting, base *dataset.Store) string {
	sum := sha256.Sum256([]byte(name + "\n" + p.Hash(base.Hash())))
	return hex.EncodeToString(sum[:])
}

// openPlanted opens the store of a planted dataset and seed, and makes it first if
// it is not there.
func (h home) openPlanted(ctx context.Context, ref sweeps.DatasetRef, seed int) (_ *dataset.Store, err error) {
	p, err := dataset.ParsePlanting(ref.Settings)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", ref.Name, err)
	}
	base, err := h.plantingBase(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("dataset %s: %w", ref.Name, err)
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	if got := plantedHash(ref.Name, p, base); got != ref.Hash {
		return nil, sdk.Errorf(codeDataDrift, "dataset %s is planted in %s with hash %.12s here, the sweep was planned with %.12s; add the same data, or run the sweep file again to plan with this one", ref.Name, p.Base, got, ref.Hash)
	}
	key, err := h.key()
	if err != nil {
		return nil, fmt.Errorf("read installation key: %w", err)
	}
	store, err := dataset.Find(h.stores(), p.DatasetHash(base.Hash(), seed), key)
	if !errors.Is(err, fs.ErrNotExist) {
		return store, err
	}
	source, err := base.Plant(p, seed)
	if err != nil {
		return nil, err
	}
	return dataset.Build(source, h.stores(), key)
}
