package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/deconfound/deconfound/host/dataset"
)

// home is the directory of an installation: the private database, the feature
// stores and the key that hashes patient identifiers. DECONFOUND_HOME names it;
// the default is $XDG_DATA_HOME/deconfound, then ~/.local/share/deconfound.
type home string

func findHome() (home, error) {
	dir := os.Getenv("DECONFOUND_HOME")
	if dir == "" {
		base := os.Getenv("XDG_DATA_HOME")
		if base == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("find home directory (set DECONFOUND_HOME): %w", err)
			}
			base = filepath.Join(user, ".local", "share")
		}
		dir = filepath.Join(base, "deconfound")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create %s (set DECONFOUND_HOME to a directory you can write): %w", dir, err)
	}
	return home(dir), nil
}

func (h home) postgres() string { return filepath.Join(string(h), "postgres") }
func (h home) stores() string   { return filepath.Join(string(h), "stores") }
func (h home) datasets() string { return filepath.Join(string(h), "datasets") }
func (h home) fetched() string  { return filepath.Join(string(h), "fetched") } // what came from the database

func (h home) keyFile() string { return filepath.Join(string(h), "installation.key") }

// key returns the secret that hashes patient identifiers, made on first use.
// Identifiers hashed under different keys cannot be linked.
func (h home) key() ([]byte, error) {
	return dataset.Key(h.keyFile())
}
