package features

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/deconfound/deconfound/sdk/features/npy"
)

// Values is the content of one modality for Write.
type Values struct {
	// Data has rows*RowSize values, NaN for missing cells and for the steps of a
	// sequence beyond its length.
	Data []float32
	// Lengths has one entry a row for a sequence, and is nil otherwise.
	Lengths []int32
}

// Write creates a store in dir, which must exist and be empty. It fills in the
// format and the file names of the index; values are in the order of the
// modalities.
func Write(dir string, index Index, values []Values) error {
	if len(values) != len(index.Modalities) {
		return fmt.Errorf("write feature store: %d arrays for %d modalities", len(values), len(index.Modalities))
	}
	index.Format = format
	modalities := make([]Modality, len(index.Modalities))
	for i, m := range index.Modalities {
		// Numbered, because a modality's name need not be a file name.
		m.Array, m.Lengths = fmt.Sprintf("m%02d.npy", i), ""
		if m.Kind == Sequence {
			m.Lengths = fmt.Sprintf("m%02d_lengths.npy", i)
		}
		modalities[i] = m
	}
	index.Modalities = modalities
	if err := index.validate(); err != nil {
		return fmt.Errorf("write feature store: %w", err)
	}
	for i, m := range modalities {
		v := values[i]
		if err := create(filepath.Join(dir, m.Array), func(w io.Writer) error {
			return npy.Write(w, v.Data, m.shape(index.Rows)...)
		}); err != nil {
			return fmt.Errorf("write modality %s: %w", m.Name, err)
		}
		if m.Kind != Sequence {
			continue
		}
		for row, n := range v.Lengths {
			if n < 0 || int(n) > m.Length {
				return fmt.Errorf("write modality %s: row %d has %d steps of at most %d", m.Name, row, n, m.Length)
			}
		}
		if err := create(filepath.Join(dir, m.Lengths), func(w io.Writer) error {
			return npy.Write(w, v.Lengths, index.Rows)
		}); err != nil {
			return fmt.Errorf("write modality %s: %w", m.Name, err)
		}
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return fmt.Errorf("write feature store: %w", err)
	}
	return create(filepath.Join(dir, IndexFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// create writes a new file and makes sure that it has reached the disk.
func create(path string, write func(io.Writer) error) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if closing := file.Close(); err == nil {
			err = closing
		}
	}()
	if err := write(file); err != nil {
		return err
	}
	return file.Sync()
}
