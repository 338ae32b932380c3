package features

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// IndexFile is the name of the index in a store's directory.
const IndexFile = "store.json"

// format is the version of the layout; a reader refuses any other.
const format = 1

// Kind is how the values of a modality are laid out.
type Kind string

// Kinds of modality. Tabular and embedding arrays are [rows, width]; a sequence
// is [rows, length, width].
const (
	Tabular   Kind = "tabular"
	Sequence  Kind = "sequence"
	Embedding Kind = "embedding"
)

// Modality describes one array of a store.
type Modality struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Width is the number of columns.
	Width int `json:"width"`
	// Length is the largest number of steps of a sequence; 0 for other kinds.
	Length int `json:"length,omitempty"`
	// Columns names the columns: [Width], or empty for an array without names.
	Columns []string `json:"columns,omitempty"`
	// Array and Lengths are file names within the store; Lengths only for
	// sequences.
	Array   string `json:"array"`
	Lengths string `json:"lengths,omitempty"`
}

// RowSize is the number of values of one row: Width, times Length for a
// sequence.
func (m Modality) RowSize() int {
	if m.Kind == Sequence {
		return m.Width * m.Length
	}
	return m.Width
}

func (m Modality) shape(rows int) []int {
	if m.Kind == Sequence {
		return []int{rows, m.Length, m.Width}
	}
	return []int{rows, m.Width}
}

// Index is the content of store.json.
type Index struct {
	Format     int        `json:"format"`
	Rows       int        `json:"rows"`
	Modalities []Modality `json:"modalities"`
}

func readIndex(dir string) (Index, error) {
	path := filepath.Join(dir, IndexFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return Index{}, fmt.Errorf("open feature store: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var index Index
	if err := decoder.Decode(&index); err != nil {
		return Index{}, fmt.Errorf("open feature store: %s: %w", path, err)
	}
	if err := index.validate(); err != nil {
		return Index{}, fmt.Errorf("open feature store: %s: %w", path, err)
	}
	return index, nil
}

func (x Index) validate() error {
	if x.Format != format {
		return fmt.Errorf("format %d is not supported, this program reads %d; build the store again", x.Format, format)
	}
	if x.Rows < 0 || x.Rows > math.MaxInt32 {
		return fmt.Errorf("%d rows", x.Rows)
	}
	names := map[string]bool{}
	for i, m := range x.Modalities {
		switch {
		case m.Name == "" || names[m.Name]:
			return fmt.Errorf("modality %d: name %q is empty or used twice", i, m.Name)
		case m.Kind != Tabular && m.Kind != Sequence && m.Kind != Embedding:
			return fmt.Errorf("modality %s: unknown kind %q", m.Name, m.Kind)
		case m.Width < 1 || m.Width > 1<<24:
			return fmt.Errorf("modality %s: width %d", m.Name, m.Width)
		case (m.Kind == Sequence) != (m.Length > 0) || m.Length < 0 || m.Length > 1<<24:
			return fmt.Errorf("modality %s: length %d does not fit kind %s", m.Name, m.Length, m.Kind)
		case (m.Kind == Sequence) != (m.Lengths != ""):
			return fmt.Errorf("modality %s: a sequence, and nothing else, has a lengths file", m.Name)
		case len(m.Columns) != 0 && len(m.Columns) != m.Width:
			return fmt.Errorf("modality %s: %d column names for width %d", m.Name, len(m.Columns), m.Width)
		case !local(m.Array) || (m.Lengths != "" && !local(m.Lengths)):
			return fmt.Errorf("modality %s: file name leaves the store", m.Name)
		}
		names[m.Name] = true
	}
	return nil
}

// local reports whether name is a plain file name: a store read by a plugin
// must not make it open files elsewhere.
func local(name string) bool {
	return name != "" && name == filepath.Base(name) && filepath.IsLocal(name)
}
