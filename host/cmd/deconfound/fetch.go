package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/deconfound/deconfound/host/bundle"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// cacheSize is how much of what was fetched is kept, by default.
const cacheSize = 20 << 30

// fetcher gets plugins and feature stores that this installation lacks out of the
// database. Its cache holds what is in use until close.
type fetcher struct {
	store *tracker.Store
	cache *bundle.Cache
	code  bool // plugins too
}

func newFetcher(h home, store *tracker.Store, limit int64, code bool) *fetcher {
	return &fetcher{store: store, cache: bundle.OpenCache(h.fetched(), limit), code: code}
}

// offer finds what the database has for this platform.
func (f *fetcher) offer(ctx context.Context, kind, hash string) (tracker.Bundle, error) {
	if kind == tracker.BundlePlugin && !f.code {
		return tracker.Bundle{}, errors.New("this command fetches no plugins")
	}
	b, err := f.store.Aside().Bundle(ctx, kind, hash)
	if errors.Is(err, tracker.ErrNotFound) {
		return tracker.Bundle{}, errors.New("the database does not offer it either")
	}
	if err == nil && b.Platform != "" && b.Platform != bundle.Here {
		err = fmt.Errorf("the database offers a build for %s, this worker is %s", b.Platform, bundle.Here)
	}
	return b, err
}

// fetch answers a directory, after check has found it to be what was asked for.
func (f *fetcher) fetch(ctx context.Context, kind, hash string, check func(dir string) error) (string, error) {
	b, err := f.offer(ctx, kind, hash)
	if err != nil {
		return "", err
	}
	return f.cache.Get(b.Sum, func() (io.ReadCloser, error) { return f.store.Content(ctx, b.Content) }, check)
}

// plugin fetches exactly the plugin that a run names by the hash of its files.
func (f *fetcher) plugin(ctx context.Context, kind sdk.Kind, ref sweeps.PluginRef) (plugin.Entry, error) {
	dir, err := f.fetch(ctx, tracker.BundlePlugin, ref.Hash, func(dir string) error {
		got, err := plugin.TreeHash(dir)
		if err == nil && got != ref.Hash {
			err = fmt.Errorf("its files have hash %.19s, not %.19s", got, ref.Hash)
		}
		return err
	})
	if err != nil {
		return plugin.Entry{}, err
	}
	e, err := plugin.ReadManifest(dir)
	if err == nil && (e.Kind != kind || e.Name != ref.Name) {
		err = fmt.Errorf("it is the %s", e)
	}
	return e, err
}

// dataset fetches the feature store of a dataset and seed.
func (f *fetcher) dataset(ctx context.Context, ref sweeps.DatasetRef, seed int) (*dataset.Store, error) {
	dir, err := f.fetch(ctx, tracker.BundleStore, storeKey(ref, seed), func(dir string) error {
		store, err := dataset.Open(dir)
		if err != nil {
			return err
		}
		if ref.Generator == "" && store.Hash() != ref.Hash {
			err = fmt.Errorf("its content is %.12s, not %.12s", store.Hash(), ref.Hash)
		}
		return errors.Join(err, store.Close())
	})
	if err != nil {
		return nil, err
	}
	return dataset.Open(dir)
}

func (f *fetcher) close() error { return f.cache.Close() }
