package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/features/npy"
)

const (
	featureDir  = "features"
	privateDir  = "private"
	sumsFile    = "SHA256SUMS"
	metaFile    = "private.json"
	idsFile     = "ids.json"
	givenArray  = "given"
	truthArray  = "truth"
	latentArray = "confounder"
)

// storeFormat is the version of the private side; it is part of the hash, so a
// program with another format builds a store of its own. Stores of format 1, which
// do not say what is one-hot, mean what they meant when they were built.
const storeFormat = 2

// madeFormat is that of a dataset that was made with its parts, pseudonymFormat that
// of one that Pseudonymise made. Either has what the formats before it have not.
const (
	madeFormat      = 3
	pseudonymFormat = 4
)

// meta is the content of private/private.json.
type meta struct {
	Format      int        `json:"format"`
	Hash        string     `json:"hash"`
	Key         string     `json:"key"` // KeyID of the key of the unit hashes
	Rows        int        `json:"rows"`
	Card        Card       `json:"card"`
	Task        sdk.Task   `json:"task"`
	Classes     []string   `json:"classes"`
	Always      []bool     `json:"always"` // by modality
	OneHot      [][]int    `json:"one_hot"`
	Dropped     []Dropped  `json:"dropped,omitempty"`
	Covariates  []string   `json:"covariates,omitempty"`
	Groups      []metaAxis `json:"groups,omitempty"`
	Environment *metaAxis  `json:"environment,omitempty"`
	Time        bool       `json:"time,omitempty"`
	Given       *metaGiven `json:"given,omitempty"`
	// Pseudonymous says that identifiers are keyed hashes.
	Pseudonymous bool `json:"pseudonymous,omitempty"`
}

type metaAxis struct {
	Name   string   `json:"name"`
	Levels []string `json:"levels"`
}

// ids is the content of private/ids.json.
type ids struct {
	Rows     []string `json:"rows"`
	Patients []string `json:"patients"` // by patient index
}

// Build writes the store of src below root, in a directory named by its hash,
// and opens it. It is atomic: a reader sees the whole store or none. A store
// that is already there is checked and opened; a damaged one is an error. The
// key makes the unit hashes, see Key.
func Build(src *Source, root string, key []byte) (*Store, error) {
	if len(key) != keySize {
		return nil, fmt.Errorf("build store: the installation key has %d bytes instead of %d", len(key), keySize)
	}
	dir := filepath.Join(root, src.Hash())
	if _, err := os.Lstat(dir); err == nil {
		return reuse(dir, key)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("build store: %w", err)
	}
	temp, err := os.MkdirTemp(root, ".building-*")
	if err != nil {
		return nil, fmt.Errorf("build store: %w", err)
	}
	defer os.RemoveAll(temp)
	if err := src.write(temp, key); err != nil {
		return nil, fmt.Errorf("build store: %w", err)
	}
	// A plugin may run as another user: the store is readable, private/ is not.
	if err := os.Chmod(temp, 0o755); err != nil {
		return nil, fmt.Errorf("build store: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, exists := os.Lstat(dir); exists == nil { // another process was faster
			return reuse(dir, key)
		}
		return nil, fmt.Errorf("build store: %w", err)
	}
	if err := syncDir(root); err != nil {
		return nil, fmt.Errorf("build store: %w", err)
	}
	return Open(dir)
}

// Find opens the store below root with the given hash, as Build does with one that
// is there already. The error is fs.ErrNotExist when there is none.
func Find(root, hash string, key []byte) (*Store, error) {
	dir := filepath.Join(root, hash)
	if _, err := os.Lstat(dir); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return reuse(dir, key)
}

func reuse(dir string, key []byte) (*Store, error) {
	m, err := readMeta(dir)
	if err != nil {
		return nil, err
	}
	if m.Key != KeyID(key) {
		return nil, fmt.Errorf("open store: %s was built with another installation key, so its unit hashes differ; restore the key, or remove the directory and build again", dir)
	}
	return Open(dir)
}

// write fills an empty directory.
func (src *Source) write(dir string, key []byte) error {
	for path, mode := range map[string]fs.FileMode{featureDir: 0o755, privateDir: 0o700} {
		if err := os.Mkdir(filepath.Join(dir, path), mode); err != nil {
			return err
		}
	}
	index := features.Index{Rows: len(src.availability)}
	for _, m := range src.modalities {
		index.Modalities = append(index.Modalities, features.Modality{
			Name: m.Name, Kind: m.Kind, Width: m.Width, Length: m.Length, Columns: m.Columns,
		})
	}
	if err := features.Write(filepath.Join(dir, featureDir), index, src.values); err != nil {
		return err
	}
	if err := src.writePrivate(filepath.Join(dir, privateDir), key); err != nil {
		return err
	}
	if err := writeSums(dir); err != nil {
		return err
	}
	for _, path := range []string{featureDir, privateDir, "."} {
		if err := syncDir(filepath.Join(dir, path)); err != nil {
			return err
		}
	}
	return nil
}

func (src *Source) writePrivate(dir string, key []byte) error {
	c, rows := &src.content, len(src.availability)
	m := meta{
		Format: storeFormat, Hash: src.hash, Key: KeyID(key), Rows: rows, Card: c.card, Task: c.task,
		Classes: c.classes, Dropped: c.dropped, Covariates: c.covariate, Time: c.time != nil,
	}
	for _, modality := range c.modalities {
		m.Always = append(m.Always, modality.Always)
		m.OneHot = append(m.OneHot, modality.OneHot)
	}
	unit := src.unit
	if unit == nil {
		unit = make([]int64, rows)
		for row, id := range c.ids {
			unit[row] = unitHash(key, c.card.Name, id)
		}
	}
	if src.pseudonymous {
		m.Format, m.Pseudonymous = pseudonymFormat, true
	}
	var groups []int32
	for _, g := range c.groups {
		m.Groups = append(m.Groups, metaAxis{g.Name, g.Levels})
		groups = append(groups, g.Values...)
	}
	var environment []int32
	if c.environment != nil {
		m.Environment = &metaAxis{c.environment.Name, c.environment.Levels}
		environment = c.environment.Values
	}
	var parts error
	if c.given != nil {
		var rows []int32
		var truth, latent []float64
		m.Format = madeFormat
		m.Given, rows, truth, latent = c.given.meta()
		parts = errors.Join(writeArray(dir, givenArray, rows), writeArray(dir, truthArray, truth), writeArray(dir, latentArray, latent))
	}
	return errors.Join(
		parts,
		writeJSON(dir, metaFile, m),
		writeJSON(dir, idsFile, ids{c.ids, c.patients}),
		writeArray(dir, "availability", c.availability),
		writeArray(dir, "labels", c.labels),
		writeArray(dir, "units", unit),
		writeArray(dir, "patients", c.patient),
		writeArray(dir, "covariates", c.covariates),
		writeArray(dir, "groups", groups),
		writeArray(dir, "environment", environment),
		writeArray(dir, "time", c.time),
	)
}

func writeJSON(dir, name string, value any) error {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, name), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

func writeArray[T npy.Number](dir, name string, values []T) error {
	return writeFile(filepath.Join(dir, name+".npy"), func(w io.Writer) error {
		return npy.Write(w, values, len(values))
	})
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Sync(), file.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
