package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/deconfound/deconfound/host/bundle"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// offer prepares the database for workers that are not of this installation: it
// records the key of the unit hashes and stores what a plan needs and they may
// lack. In the private database nobody else can come.
func (a *app) offer(ctx context.Context, plan *sweeps.Plan, distribute bool) error {
	store, err := a.tracker(ctx)
	if err != nil || a.cluster != nil {
		return err
	}
	h, err := findHome()
	if err != nil {
		return err
	}
	o := &offers{app: a, home: h, store: store, done: map[string]bool{}}
	for _, need := range plan.Needs() {
		if err := o.hold(ctx, need.Spec.Dataset); err != nil {
			return err
		}
		if !distribute {
			continue
		}
		if err := o.plugins(ctx, need); err != nil {
			return err
		}
		if err := o.datasets(ctx, need); err != nil {
			return err
		}
	}
	return nil
}

// offers is what one plan has the database store.
type offers struct {
	app   *app
	home  home
	store *tracker.Store
	done  map[string]bool
}

// once reports whether something is to be done: the first time it is named.
func (o *offers) once(what string) bool {
	first := !o.done[what]
	o.done[what] = true
	return first
}

// hold records with which key the units of a dataset are hashed. Where another is
// recorded the runs here need a store of that key, see runner.dataset.
func (o *offers) hold(ctx context.Context, ref sweeps.DatasetRef) error {
	if !o.once("key " + ref.Hash) {
		return nil
	}
	key, err := o.home.key()
	if err != nil {
		return err
	}
	err = o.store.HoldUnitKey(ctx, ref.Name, ref.Hash, dataset.KeyID(key))
	if errors.Is(err, tracker.ErrOtherKey) {
		o.done["other key "+ref.Hash] = true
		return nil
	}
	return err
}

func (o *offers) plugins(ctx context.Context, need sweeps.Need) error {
	refs := map[sdk.Kind]*sweeps.PluginRef{sdk.KindBackbone: &need.Spec.Backbone, sdk.KindStrategy: need.Spec.Strategy}
	if p := need.Sampler; p != nil {
		refs[sdk.KindSampler] = &sweeps.PluginRef{Name: p.Name, Version: p.Version, Hash: p.Hash}
	}
	for _, kind := range sdk.Kinds {
		ref := refs[kind]
		if ref == nil || !o.once(string(kind)+" "+ref.Hash) {
			continue
		}
		entry, err := o.app.plugins().Find(kind, ref.Name)
		if err != nil {
			return err
		}
		hash, err := plugin.TreeHash(entry.Dir)
		if err != nil {
			return err
		}
		if hash != ref.Hash {
			return sdk.Errorf(sdk.CodePluginAltered, "%s %s has changed since the sweep was planned; run the same command again", kind, ref.Name)
		}
		platform, err := bundle.Platform(entry.Dir)
		if err != nil {
			return err
		}
		if err := o.put(ctx, tracker.Bundle{Kind: tracker.BundlePlugin, Hash: ref.Hash, Name: entry.String(), Platform: platform}, entry.Dir); err != nil {
			return err
		}
	}
	return nil
}

// datasets stores the feature stores of all seeds.
func (o *offers) datasets(ctx context.Context, need sweeps.Need) error {
	ref := need.Spec.Dataset
	if !o.once("store "+ref.Hash) || o.done["other key "+ref.Hash] {
		return nil
	}
	shared, err := o.home.shared(ctx, ref)
	if err != nil {
		return err
	}
	if !shared {
		fmt.Fprintf(o.app.errs, "dataset %s is not shared: only workers that have it train on it ('deconfound data share --help')\n", ref.Name)
		return nil
	}
	for _, seed := range need.Seeds {
		b := tracker.Bundle{Kind: tracker.BundleStore, Hash: storeKey(ref, seed), Name: ref.Name}
		if !o.once(b.Hash) {
			continue
		}
		if _, err := o.store.Bundle(ctx, b.Kind, b.Hash); err == nil {
			continue
		}
		data, err := o.home.openReferenced(ctx, ref, seed)
		if err != nil {
			return err
		}
		if err := errors.Join(o.put(ctx, b, data.Dir()), data.Close()); err != nil {
			return err
		}
	}
	return nil
}

// shared says whether a dataset may leave this machine: somebody has said so, and there
// are no identifiers in it.
func (h home) shared(ctx context.Context, ref sweeps.DatasetRef) (bool, error) {
	name := ref.Name
	switch ref.Generator {
	case plantedGenerator:
		p, err := dataset.ParsePlanting(ref.Settings)
		if err != nil {
			return false, fmt.Errorf("dataset %s: %w", ref.Name, err)
		}
		name = p.Base
	case "":
	default:
		return true, nil // simulated
	}
	if isGenerated(name) {
		return true, nil
	}
	entry, err := h.entry(name)
	if err != nil || !entry.Shared {
		return false, err
	}
	if public, err := h.public(entry); err != nil || public {
		return public, err
	}
	store, err := h.openDataset(ctx, name)
	if err != nil {
		return false, err
	}
	return store.Pseudonymous(), store.Close()
}

// storeKey names the feature store of a run in the database. A generated dataset
// has one for each seed.
func storeKey(ref sweeps.DatasetRef, seed int) string {
	if ref.Generator == "" {
		return ref.Hash
	}
	return ref.Hash + "/" + strconv.Itoa(seed)
}

// put stores a directory, unless it is stored already.
func (o *offers) put(ctx context.Context, b tracker.Bundle, dir string) error {
	if _, err := o.store.Bundle(ctx, b.Kind, b.Hash); !errors.Is(err, tracker.ErrNotFound) {
		return err
	}
	packed, err := bundle.Pack(ctx, dir)
	if err != nil {
		return err
	}
	defer packed.Close()
	b.Content = tracker.Content{Sum: packed.Sum, Size: packed.Size}
	archive, err := packed.Open()
	if err != nil {
		return err
	}
	if err := o.store.PutContent(ctx, b.Content, archive); err != nil {
		return fmt.Errorf("offer %s to workers: %w", b.Name, err)
	}
	return o.store.PutBundle(ctx, b)
}
