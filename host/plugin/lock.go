package plugin

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"github.com/deconfound/deconfound/sdk"
)

// LockName is the usual name of a lock file.
const LockName = "plugins.lock.toml"

// relock is what a user runs after changing a plugin on purpose.
const relock = "deconfound plugin lock"

// Lock says which plugins may run, by the hash of their files.
//
// The policy: without a lock file every installed plugin may run. With one, only
// the plugins it names may run, and only unaltered. So a fresh checkout works at
// once, and whoever has locked is told of everything new.
type Lock struct {
	path   string
	hashes map[string]string // by Entry.String
}

// lockFile is the lock as it is written.
type lockFile struct {
	Version int          `toml:"version"`
	Plugin  []lockPlugin `toml:"plugin"`
}

type lockPlugin struct {
	Kind string `toml:"kind"`
	Name string `toml:"name"`
	Hash string `toml:"hash"`
}

// ReadLock reads a lock file. A file that does not exist gives a nil Lock, which
// verifies everything.
func ReadLock(path string) (*Lock, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, sdk.Wrap(sdk.CodePluginManifest, err, "read lock file")
	}
	var f lockFile
	meta, err := toml.Decode(string(text), &f)
	if err != nil {
		return nil, sdk.Wrap(sdk.CodePluginManifest, err, "%s", path)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, sdk.Errorf(sdk.CodePluginManifest, "%s:%d: unknown key %q", path, lineOf(string(text), extra[0][len(extra[0])-1]), extra[0])
	}
	if f.Version != 1 {
		return nil, sdk.Errorf(sdk.CodePluginManifest, "%s has version %d, this program reads version 1", path, f.Version)
	}
	l := &Lock{path: path, hashes: map[string]string{}}
	for _, p := range f.Plugin {
		l.hashes[p.Kind+" "+p.Name] = p.Hash
	}
	return l, nil
}

// WriteLock hashes the given plugins and writes a lock file that allows them and
// no others. The file appears whole or not at all.
func WriteLock(path string, entries []Entry) (*Lock, error) {
	f := lockFile{Version: 1}
	l := &Lock{path: path, hashes: map[string]string{}}
	for _, e := range entries {
		hash, err := TreeHash(e.Dir)
		if err != nil {
			return nil, sdk.Wrap(sdk.CodePluginManifest, err, "lock %s", e)
		}
		f.Plugin = append(f.Plugin, lockPlugin{Kind: string(e.Kind), Name: e.Name, Hash: hash})
		l.hashes[e.String()] = hash
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# Written by %q. Only these plugins may run, and only unaltered.\n", relock)
	if err := toml.NewEncoder(&text).Encode(f); err != nil {
		return nil, sdk.Wrap(sdk.CodePluginManifest, err, "encode lock file")
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".plugins.lock-*")
	if err != nil {
		return nil, sdk.Wrap(sdk.CodePluginManifest, err, "write lock file")
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text.Bytes())
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return nil, sdk.Wrap(sdk.CodePluginManifest, err, "write lock file")
	}
	return l, nil
}

// Verify hashes a plugin and compares. Errors have the code plugin_altered.
func (l *Lock) Verify(e Entry) error {
	if l == nil {
		return nil
	}
	want, known := l.hashes[e.String()]
	if !known {
		return sdk.Errorf(sdk.CodePluginAltered, "%s is not in %s; if you trust %s, add it with: %s", e, l.path, e.Dir, relock)
	}
	got, err := TreeHash(e.Dir)
	if err != nil {
		return sdk.Wrap(sdk.CodePluginAltered, err, "verify %s", e)
	}
	if got != want {
		return sdk.Errorf(sdk.CodePluginAltered, "the files of %s in %s are not those that were locked: %s locks %s, found %s; if the change is wanted, run: %s",
			e, e.Dir, l.path, want, got, relock)
	}
	return nil
}
