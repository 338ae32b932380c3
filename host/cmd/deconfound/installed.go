package main

import (
	"context"
	"sync"
	"time"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
)

// installed is a plugin with its description and the hash of its files.
type installed struct {
	entry plugin.Entry
	info  sdk.Info
	hash  string
}

// known remembers plugins by directory: their files are hashed and their
// processes asked once in the life of the program.
var known sync.Map // string -> installed

// retries is how often a plugin that died when it was asked is asked again.
const retries = 3

// findPlugin describes an installed plugin.
func findPlugin(ctx context.Context, registry *plugin.Registry, pool *plugin.Pool, kind sdk.Kind, name string) (installed, error) {
	entry, err := registry.Find(kind, name)
	if err != nil {
		return installed{}, err
	}
	return describePlugin(ctx, pool, entry)
}

// describePlugin hashes the files of a plugin and asks its process.
func describePlugin(ctx context.Context, pool *plugin.Pool, entry plugin.Entry) (installed, error) {
	if p, ok := known.Load(entry.Dir); ok {
		return p.(installed), nil //nolint:forcetypeassert // known holds nothing else
	}
	hash, err := plugin.TreeHash(entry.Dir)
	if err != nil {
		return installed{}, err
	}
	begin := time.Now()
	info, err := pool.Info(ctx, entry)
	// One that died may have been killed, which is no mistake in the file that names
	// it. One that hangs is not asked again.
	for range retries {
		if code := sdk.CodeOf(err); (code != sdk.CodePluginStart && code != sdk.CodePluginCrash) || time.Since(begin) >= entry.StartTimeout {
			break
		}
		info, err = pool.Info(ctx, entry)
	}
	if err != nil {
		return installed{}, err
	}
	p := installed{entry: entry, info: info, hash: hash}
	known.Store(entry.Dir, p)
	return p, nil
}

// codedError tells the sweep the cause of a failure.
type codedError struct{ error }

// Code is the code of the plugin contract.
func (e codedError) Code() string { return string(sdk.CodeOf(e.error)) }

// Unwrap keeps the error's identity.
func (e codedError) Unwrap() error { return e.error }

func coded(err error) error {
	if err == nil || sdk.CodeOf(err) == sdk.CodeInternal {
		return err
	}
	return codedError{err}
}
