package main

import (
	"context"
	"fmt"
	"os"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// lacks answers which of the plugins and data of a run are not here with the content
// that the sweep was planned with, and cannot be fetched, one line each. What has been
// installed, added or offered since is found. Nothing is fetched: the database waits
// for the answer.
func (r *runner) lacks(spec sweeps.RunSpec) []string {
	var out []string
	if text := r.lacksPlugin(sdk.KindBackbone, spec.Backbone); text != "" {
		out = append(out, text)
	}
	if spec.Strategy != nil {
		if text := r.lacksPlugin(sdk.KindStrategy, *spec.Strategy); text != "" {
			out = append(out, text)
		}
	}
	if text := r.lacksDataset(spec.Dataset, spec.SplitSeed); text != "" {
		out = append(out, text)
	}
	return out
}

// unless adds why a thing that is not here cannot be fetched; "" if it can.
func (r *runner) unless(text, kind, hash string) string {
	if r.fetch == nil {
		return text
	}
	if _, err := r.fetch.offer(context.Background(), kind, hash); err != nil {
		return fmt.Sprintf("%s; %v", text, err)
	}
	return ""
}

func (r *runner) lacksPlugin(kind sdk.Kind, ref sweeps.PluginRef) string {
	text := fmt.Sprintf("plugin %s/%s with hash %.19s", kind, ref.Name, ref.Hash)
	entry, err := r.plugins().Find(kind, ref.Name)
	if err != nil {
		r.rescan()
		if entry, err = r.plugins().Find(kind, ref.Name); err != nil {
			return r.unless(text, tracker.BundlePlugin, ref.Hash)
		}
	}
	var hash string
	if p, ok := known.Load(entry.Dir); ok {
		hash = p.(installed).hash //nolint:forcetypeassert // known holds nothing else
	} else if hash, err = plugin.TreeHash(entry.Dir); err != nil {
		return fmt.Sprintf("%s (%v)", text, err)
	}
	if hash != ref.Hash {
		return r.unless(fmt.Sprintf("%s (%.19s is installed)", text, hash), tracker.BundlePlugin, ref.Hash)
	}
	return ""
}

func (r *runner) lacksDataset(ref sweeps.DatasetRef, seed int) string {
	key := storeKey(ref, seed)
	r.mu.Lock()
	opened := r.datasets[key] != nil
	r.mu.Unlock()
	if opened {
		return ""
	}
	text := fmt.Sprintf("dataset %s with content %.12s", ref.Name, ref.Hash)
	name := ref.Name
	if ref.Generator == plantedGenerator {
		p, err := dataset.ParsePlanting(ref.Settings)
		if err != nil {
			return "" // the run fails by that, and says so
		}
		name = p.Base
	}
	if ref.Generator == "" || ref.Generator == plantedGenerator { // others are made from nothing
		store, err := r.home.openDataset(context.Background(), name)
		if err != nil {
			return r.unless(text, tracker.BundleStore, key)
		}
		hash := store.Hash()
		store.Close()
		if ref.Generator == "" && hash != ref.Hash {
			return r.unless(fmt.Sprintf("%s (%.12s is here)", text, hash), tracker.BundleStore, key)
		}
	}
	mine, err := r.home.key()
	if err != nil {
		return fmt.Sprintf("%s (%v)", text, err)
	}
	if held, err := r.store.Aside().UnitKey(context.Background(), ref.Hash); err == nil && held != "" && held != dataset.KeyID(mine) {
		return r.unless(text+" and the installation key of the recorded predictions", tracker.BundleStore, key)
	}
	return ""
}

// plugins are those that are installed, as far as is known.
func (r *runner) plugins() *plugin.Registry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.registry
}

// rescan looks for plugins that have been installed since.
func (r *runner) rescan() {
	executable, err := os.Executable()
	if err != nil {
		executable = ""
	}
	found := plugin.Scan(plugin.Directories(executable, os.Getenv)...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.registry = found
}
