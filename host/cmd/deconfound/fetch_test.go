package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/bundle"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// offered puts a script into the database as a plugin and answers how a run names it.
func offered(t *testing.T, o *offers, name, platform string) sweeps.PluginRef {
	t.Helper()
	dir := t.TempDir()
	manifest := "[plugin]\nkind = \"backbone\"\nname = \"" + name + "\"\nprotocol = 1\n[exec]\ncommand = [\"./run.sh\"]\n"
	for file, text := range map[string]string{plugin.ManifestName: manifest, "run.sh": "#!/bin/sh\nexit 1\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	hash, err := plugin.TreeHash(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := tracker.Bundle{Kind: tracker.BundlePlugin, Hash: hash, Name: "backbone " + name, Platform: platform}
	for range 2 { // the second time it is there
		if err := o.put(t.Context(), b, dir); err != nil {
			t.Fatal(err)
		}
	}
	return sweeps.PluginRef{Name: name, Hash: hash}
}

func TestFetcher_Plugin(t *testing.T) {
	store, h := trackertest.New(t), home(t.TempDir())
	o := &offers{store: store, home: h, done: map[string]bool{}}
	script, alien := offered(t, o, "script", ""), offered(t, o, "alien", "plan9/mips")
	f := newFetcher(h, store, cacheSize, true)
	defer f.close()

	entry, err := f.plugin(t.Context(), sdk.KindBackbone, script)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := plugin.TreeHash(entry.Dir); err != nil || got != script.Hash || !strings.HasPrefix(entry.Dir, h.fetched()) {
		t.Errorf("got %s with hash %s, %v; want %s", entry.Dir, got, err, script.Hash)
	}
	refuses := func(what string, f *fetcher, kind sdk.Kind, ref sweeps.PluginRef, want string) {
		t.Helper()
		if _, err := f.plugin(t.Context(), kind, ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", what, err, want)
		}
	}
	refuses("another platform", f, sdk.KindBackbone, alien, "for plan9/mips, this worker is "+bundle.Here)
	refuses("not offered", f, sdk.KindBackbone, sweeps.PluginRef{Name: "script", Hash: "sha256:00"}, "does not offer it")
	refuses("another kind", f, sdk.KindStrategy, script, "it is the backbone script")
	refuses("another name", f, sdk.KindBackbone, sweeps.PluginRef{Name: "ipw", Hash: script.Hash}, "it is the backbone script")
	refuses("no programs", newFetcher(h, store, cacheSize, false), sdk.KindBackbone, script, "fetches no plugins")

	// Somebody who may write to the database puts another program under a hash that a
	// sweep names.
	evil := offered(t, o, "evil", "")
	wanted := sweeps.PluginRef{Name: "evil", Hash: strings.Replace(evil.Hash, evil.Hash[len(evil.Hash)-4:], "0000", 1)}
	if _, err := store.Pool().Exec(t.Context(), `update bundle set hash = $1 where hash = $2`, wanted.Hash, evil.Hash); err != nil {
		t.Fatal(err)
	}
	refuses("another program", f, sdk.KindBackbone, wanted, "its files have hash")
}

// TestRunner_Plugin names what is missing, and why it cannot be fetched.
func TestRunner_Plugin(t *testing.T) {
	store, h := trackertest.New(t), home(t.TempDir())
	pool := plugin.NewPool(plugin.PoolConfig{})
	defer pool.Close()
	r := newRunner(h, plugin.Scan(), pool, store)
	defer r.close()
	for want, fetch := range map[string]*fetcher{
		"":                   nil,
		"does not offer it":  newFetcher(h, store, cacheSize, true),
		"fetches no plugins": newFetcher(h, store, cacheSize, false),
	} {
		r.fetch = fetch
		_, err := r.plugin(t.Context(), sdk.KindBackbone, sweeps.PluginRef{Name: "fusion", Hash: "sha256:b0"})
		if err == nil || !strings.Contains(err.Error(), `no backbone "fusion"`) || !strings.Contains(err.Error(), want) || sdk.CodeOf(err) != sdk.CodePluginUnknown {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
