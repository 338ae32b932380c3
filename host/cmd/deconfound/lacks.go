package main

import (
	"context"
	"fmt"
	"os"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
)

// lacks answers which of the plugins and data of a run are not here with the content
// that the sweep was planned with, one line each. What has been installed or added
// since is found.
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
	if text := r.lacksDataset(spec.Dataset); text != "" {
		out = append(out, text)
	}
	return out
}

func (r *runner) lacksPlugin(kind sdk.Kind, ref sweeps.PluginRef) string {
	text := fmt.Sprintf("plugin %s/%s with hash %.19s", kind, ref.Name, ref.Hash)
	entry, err := r.plugins().Find(kind, ref.Name)
	if err != nil {
		r.rescan()
		if entry, err = r.plugins().Find(kind, ref.Name); err != nil {
			return text
		}
	}
	var hash string
	if p, ok := known.Load(entry.Dir); ok {
		hash = p.(installed).hash //nolint:forcetypeassert // known holds nothing else
	} else if hash, err = plugin.TreeHash(entry.Dir); err != nil {
		return fmt.Sprintf("%s (%v)", text, err)
	}
	if hash != ref.Hash {
		return fmt.Sprintf("%s (%.19s is installed)", text, hash)
	}
	return ""
}

func (r *runner) lacksDataset(ref sweeps.DatasetRef) string {
	if ref.Generator != "" {
		return "" // it is made when it is needed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if store := r.datasets[ref.Name]; store != nil && store.Hash() == ref.Hash {
		return ""
	}
	text := fmt.Sprintf("dataset %s with content %.12s", ref.Name, ref.Hash)
	store, err := r.home.openDataset(context.Background(), ref.Name)
	if err != nil {
		return text
	}
	defer store.Close()
	if store.Hash() != ref.Hash {
		return fmt.Sprintf("%s (%.12s is here)", text, store.Hash())
	}
	// One that was opened before its content changed is in use, and stays open.
	delete(r.datasets, ref.Name)
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
