package bundled

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FS holds one directory for each dataset.
//
//go:embed nafld
var FS embed.FS

// Names lists the datasets.
func Names() []string {
	entries, err := FS.ReadDir(".")
	if err != nil {
		return nil // FS always has a root
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// Extract writes every dataset below dir, which is created if needed, and
// returns the directories by dataset name. A file that is there already stays if
// it is the same, and is an error otherwise: it may have been edited.
func Extract(dir string) (map[string]string, error) {
	err := fs.WalkDir(FS, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := FS.ReadFile(path)
		if err != nil {
			return err
		}
		return place(to, data)
	})
	if err != nil {
		return nil, fmt.Errorf("extract bundled data: %w", err)
	}
	out := map[string]string{}
	for _, name := range Names() {
		out[name] = filepath.Join(dir, name)
	}
	return out, nil
}

func place(path string, data []byte) error {
	existing, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(existing, data):
		return nil
	case err == nil:
		return fmt.Errorf("%s is there already and differs; move it away or choose another directory", path)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".extract-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Chmod(0o644), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
