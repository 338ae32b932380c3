package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/dataset/bundled"
)

// registered is the file that says which store a dataset name stands for.
type registered struct {
	Name string `json:"name"`
	Hash string `json:"hash"`
	// Shared says that workers on other machines may fetch the store. Unless it ships
	// with the program it is pseudonymous.
	Shared bool `json:"shared,omitempty"`
	Public bool `json:"public,omitempty"` // it is the one that ships with the program
}

// addDataset builds the feature store of a manifest and registers its name. The
// tables are relative to the given directory; "" is the manifest's own.
func (h home) addDataset(manifest, tables string) (*dataset.Store, error) {
	source, err := dataset.LoadFrom(manifest, tables)
	if err != nil {
		return nil, err
	}
	key, err := h.key()
	if err != nil {
		return nil, fmt.Errorf("read installation key: %w", err)
	}
	store, err := dataset.Build(source, h.stores(), key)
	if err != nil {
		return nil, fmt.Errorf("build feature store: %w", err)
	}
	if err := h.register(store); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// register lets a name stand for a store. Other content under the name is shared
// anew.
func (h home) register(store *dataset.Store) error {
	if isGenerated(store.Name()) {
		return fmt.Errorf("the name %s belongs to generated datasets; choose another in the manifest", store.Name())
	}
	entry := registered{Name: store.Name(), Hash: filepath.Base(store.Dir())}
	if old, err := h.entry(store.Name()); err == nil && old.Hash == entry.Hash {
		entry.Shared, entry.Public = old.Shared, old.Public
	}
	return h.writeEntry(entry)
}

func (h home) writeEntry(r registered) error {
	if err := os.MkdirAll(h.datasets(), 0o755); err != nil {
		return err
	}
	entry, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(h.datasets(), ".entry-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err := temporary.Write(entry); err != nil {
		return errors.Join(err, temporary.Close())
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), filepath.Join(h.datasets(), r.Name+".json"))
}

// entry reads what a name stands for.
func (h home) entry(name string) (registered, error) {
	text, err := os.ReadFile(filepath.Join(h.datasets(), filepath.Base(name)+".json"))
	if err != nil {
		return registered{}, err
	}
	var entry registered
	if err := json.Unmarshal(text, &entry); err != nil {
		return registered{}, fmt.Errorf("read the entry of dataset %s: %w", name, err)
	}
	return entry, nil
}

// openDataset opens a registered dataset; one that ships with the program is
// added on first use, and a scenario such as mm_conf/S2 is generated with seed 0.
func (h home) openDataset(_ context.Context, name string) (*dataset.Store, error) {
	if isGenerated(name) {
		cfg, err := scenarioOf(name)
		if err != nil {
			return nil, err
		}
		return h.generated(cfg, 0)
	}
	entry, err := h.entry(name)
	if errors.Is(err, fs.ErrNotExist) {
		return h.addBundled(name)
	}
	if err != nil {
		return nil, err
	}
	store, err := dataset.Open(filepath.Join(h.stores(), entry.Hash))
	if err != nil {
		return nil, fmt.Errorf("open dataset %s (add it again with 'deconfound data add'): %w", name, err)
	}
	return store, nil
}

func (h home) addBundled(name string) (*dataset.Store, error) {
	if !slices.Contains(bundled.Names(), name) {
		return nil, fmt.Errorf("no dataset %q; there are %s. Add one with 'deconfound data add DIRECTORY'", name, strings.Join(h.datasetNames(), ", "))
	}
	dir, err := os.MkdirTemp("", "deconfound-data-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	dirs, err := bundled.Extract(dir)
	if err != nil {
		return nil, fmt.Errorf("extract the datasets of the program: %w", err)
	}
	store, err := h.addDataset(dirs[name], "")
	if err != nil {
		return nil, err
	}
	// What everybody has may go anywhere.
	entry := registered{Name: name, Hash: filepath.Base(store.Dir()), Shared: true, Public: true}
	if err := h.writeEntry(entry); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// datasetNames lists what has been added and what ships with the program.
func (h home) datasetNames() []string {
	names := slices.Clone(bundled.Names())
	entries, _ := os.ReadDir(h.datasets())
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), ".json"); ok && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
