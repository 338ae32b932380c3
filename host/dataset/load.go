package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/host/dataset/table"
	"github.com/deconfound/deconfound/sdk/features"
)

// Load reads the manifest at path and the files it names, which are relative to
// its directory. If path is a directory, the manifest is dataset.toml in it.
func Load(path string) (*Source, error) { return LoadFrom(path, "") }

// LoadFrom is Load for files that are relative to another directory than the
// manifest's: a manifest can so describe data that may not be copied.
func LoadFrom(path, directory string) (*Source, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "dataset.toml")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m, err := manifest.Parse(path, text)
	if err != nil {
		return nil, err
	}
	l := loader{directory: cmp.Or(directory, filepath.Dir(path)), sum: sha256.New()}
	fmt.Fprintf(l.sum, "deconfound store %d\n%x\n", storeFormat, sha256.Sum256(text))
	l.frame = &frame{manifest: m, derived: map[string]field{}}
	return l.load()
}

// loader reads one dataset.
type loader struct {
	*frame
	directory string
	sum       hash.Hash // of the manifest and the checksum of every file
	rows      []int     // lines of the main table that are kept, in store order
	src       *Source
}

func (l *loader) load() (*Source, error) {
	l.src = &Source{}
	for _, step := range []func() error{
		l.readTables, func() error { return l.derive(false) }, l.join, func() error { return l.derive(true) }, l.checkNames,
		l.selectRows, l.describe, l.identify, l.label, l.groupRows, l.modalities,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("load dataset: %w", err)
		}
	}
	l.src.dropped = l.dropped
	l.src.hash = hex.EncodeToString(l.sum.Sum(nil))
	return l.src, nil
}

// file resolves a path of the manifest and adds the file's bytes to the hash.
func (l *loader) file(key, name string) (string, error) {
	path := filepath.FromSlash(name)
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.directory, path)
	}
	sum, err := fileSum(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", l.manifest.Errorf(key, "%w; files are looked for in %s", err, l.directory)
	}
	if err != nil {
		return "", l.manifest.Errorf(key, "%w", err)
	}
	fmt.Fprintf(l.sum, "%s  %s\n", sum, name)
	return path, nil
}

func (l *loader) readTables() error {
	want := wanted(l.manifest)
	l.joined = make([][]int32, len(l.manifest.Tables))
	for i, t := range l.manifest.Tables {
		key := fmt.Sprintf("table[%d]", i)
		parts := t.Parts
		if t.File != "" {
			parts = []manifest.Part{{File: t.File}}
		}
		var files []table.File
		for j, part := range parts {
			at := key + ".file"
			if t.File == "" {
				at = fmt.Sprintf("%s.part[%d].file", key, j)
			}
			path, err := l.file(at, part.File)
			if err != nil {
				return err
			}
			files = append(files, table.File{Path: path, Values: part.Values})
		}
		opts := table.Options{
			Name: t.Name, Format: t.Format, Columns: t.Columns, NA: t.NA, ColumnNA: t.ColumnNA, RowNumber: t.RowNumber, Want: want,
		}
		if t.Separator != "" {
			opts.Separator = t.Separator[0]
		}
		read, err := table.Read(files, opts)
		if err != nil {
			return l.manifest.Errorf(key, "%w", err)
		}
		l.tables = append(l.tables, read)
	}
	return nil
}

func (l *loader) describe() error {
	m := l.manifest
	l.src.card = Card{Name: m.Name, Title: m.Title, Text: m.Text, Licence: m.Licence, Citation: m.Citation, Source: m.Source}
	return nil
}

// modalities fills every modality and derives availability from its cells.
func (l *loader) modalities() error {
	l.src.availability = make([]uint64, len(l.rows))
	for m, spec := range l.manifest.Modalities {
		path := fmt.Sprintf("modality[%d]", m)
		var b block
		var err error
		switch {
		case spec.Array != "":
			b, err = l.array(path, spec)
		case spec.Kind == features.Sequence && len(spec.Codes) > 0:
			b, err = l.events(path, spec)
		case spec.Kind == features.Sequence:
			b, err = l.sequence(path, spec)
		default:
			b, err = l.tabular(path, spec)
		}
		if err != nil {
			return err
		}
		if !slices.Contains(b.present, true) {
			return l.manifest.Errorf(path, "no row has modality %s: every cell is missing; check where its values come from, or leave it out", spec.Name)
		}
		if spec.Always {
			for i := range b.present {
				b.present[i] = true
			}
		}
		for i, present := range b.present {
			if present {
				l.src.availability[i] |= 1 << m
			}
		}
		l.src.modalities = append(l.src.modalities, Modality{
			Name: spec.Name, Kind: spec.Kind, Width: b.width, Length: b.length, Columns: b.names, OneHot: b.oneHot, Always: spec.Always,
		})
		l.src.values = append(l.src.values, b.values)
	}
	return nil
}

// block is a modality in memory: present says which rows have it.
type block struct {
	header
	width, length int
	values        features.Values
	present       []bool
}

func (l *loader) tabular(path string, spec manifest.Modality) (block, error) {
	columns := slices.Clone(spec.Columns)
	if spec.Prefix != "" {
		found := 0
		for _, name := range l.names() {
			if strings.HasPrefix(name, spec.Prefix) && !slices.Contains(columns, name) {
				columns = append(columns, name)
				found++
			}
		}
		if found == 0 {
			return block{}, l.manifest.Errorf(path+".prefix", "no column begins with %q", spec.Prefix)
		}
	}
	head, values, present, err := l.matrix(path+".columns", columns, l.rows)
	if err != nil {
		return block{}, err
	}
	b := block{header: head, width: len(head.names), values: features.Values{Data: values}}
	for _, n := range present {
		b.present = append(b.present, n == len(columns) || (n > 0 && spec.Availability == "any"))
	}
	return b, nil
}
