package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/host/dataset/table"
	"github.com/deconfound/deconfound/sdk"
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
	sum       io.Writer // gets the checksum of every file; a hash.Hash
	rows      []int     // lines of the main table that are kept, in store order
	src       *Source
}

func (l *loader) load() (*Source, error) {
	l.src = &Source{manifest: l.manifest}
	for _, step := range []func() error{
		l.readTables, func() error { return l.derive(false) }, l.join, func() error { return l.derive(true) }, l.checkNames,
		l.selectRows, l.describe, l.identify, l.label, l.groupRows, l.modalities,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("load dataset: %w", err)
		}
	}
	l.src.dropped = l.dropped
	hash, ok := l.sum.(interface{ Sum([]byte) []byte })
	if !ok {
		return nil, fmt.Errorf("load dataset: no hash")
	}
	l.src.hash = hex.EncodeToString(hash.Sum(nil))
	return l.src, nil
}

// file resolves a path of the manifest and adds the file's bytes to the hash.
func (l *loader) file(key, name string) (string, error) {
	path := filepath.FromSlash(name)
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.directory, path)
	}
	sum, err := fileSum(path)
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

// selectRows drops incomplete rows and puts the others in an order that says
// nothing of label, time or site: by a hash of their identifier.
func (l *loader) selectRows() error {
	l.rows = make([]int, l.tables[0].Rows)
	for row := range l.rows {
		l.rows[row] = row
	}
	for _, name := range l.manifest.Rows.DropEmpty {
		c, err := l.column("rows.drop_empty", name)
		if err != nil {
			return err
		}
		before := len(l.rows)
		l.rows = slices.DeleteFunc(l.rows, c.Missing)
		if dropped := before - len(l.rows); dropped > 0 {
			l.dropped = append(l.dropped, Dropped{Reason: "rows without " + name, Count: dropped})
		}
	}
	if len(l.rows) == 0 {
		return l.manifest.Errorf("table[0]", "no row is left of %d", l.tables[0].Rows)
	}
	if len(l.rows) > math.MaxInt32 {
		return l.manifest.Errorf("table[0]", "%d rows are too many", len(l.rows))
	}
	id, err := l.column("rows.id", l.manifest.Rows.ID)
	if err != nil {
		return err
	}
	order, seen := make(map[int]string, len(l.rows)), make(map[string]int, len(l.rows))
	for _, row := range l.rows {
		text := id.Text(row)
		if text == "" {
			return l.manifest.Errorf("rows.id", "%w", l.lineErrorf(row, "the row has no identifier; list %q under rows.drop_empty to drop such rows", l.manifest.Rows.ID))
		}
		if first, twice := seen[text]; twice {
			return l.manifest.Errorf("rows.id", "%w", l.lineErrorf(row, "identifier %q is on %s already", text, l.where(first)))
		}
		seen[text] = row
		sum := sha256.Sum256([]byte(l.manifest.Name + "|order|" + text))
		order[row] = string(sum[:])
	}
	slices.SortFunc(l.rows, func(a, b int) int { return cmp.Compare(order[a], order[b]) })
	return nil
}

func (l *loader) where(row int) string { return l.tables[0].Columns[0].Where(row) }

func (l *loader) lineErrorf(row int, format string, args ...any) error {
	return fmt.Errorf("%s: %w", l.where(row), fmt.Errorf(format, args...))
}

func (l *loader) describe() error {
	m := l.manifest
	l.src.card = Card{Name: m.Name, Title: m.Title, Text: m.Text, Licence: m.Licence, Citation: m.Citation, Source: m.Source}
	return nil
}

// identify sets identifiers, patients, time and covariates.
func (l *loader) identify() error {
	r := l.manifest.Rows
	id, err := l.column("rows.id", r.ID)
	if err != nil {
		return err
	}
	patient, err := l.column("rows.patient", r.Patient)
	if err != nil {
		return err
	}
	index := map[string]int32{}
	for _, row := range l.rows {
		name := patient.Text(row)
		if name == "" {
			return l.manifest.Errorf("rows.patient", "%w", l.lineErrorf(row, "the row has no patient; list %q under rows.drop_empty to drop such rows", r.Patient))
		}
		p, known := index[name]
		if !known {
			p = int32(len(l.src.patients))
			index[name] = p
			l.src.patients = append(l.src.patients, name)
		}
		l.src.ids = append(l.src.ids, id.Text(row))
		l.src.patient = append(l.src.patient, p)
	}
	if r.Time != "" {
		c, err := l.column("rows.time", r.Time)
		if err != nil {
			return err
		}
		for _, row := range l.rows {
			if c.Missing(row) {
				return l.manifest.Errorf("rows.time", "%w", l.lineErrorf(row, "the row has no time; list %q under rows.drop_empty to drop such rows", r.Time))
			}
			t, err := c.Column.Time(c.at(row))
			if err != nil {
				return err
			}
			l.src.time = append(l.src.time, t)
		}
	}
	l.src.covariate, l.src.covariates, err = l.covariates(l.rows)
	return err
}

func (l *loader) groupRows() error {
	if name := l.manifest.Rows.Environment; name != "" {
		c, err := l.column("rows.environment", name)
		if err != nil {
			return err
		}
		g := grouped("environment", c, l.rows)
		if len(g.Levels) > maxLevels {
			return l.manifest.Errorf("rows.environment", "column %q has %d levels; an environment is a site, a period or a cohort", name, len(g.Levels))
		}
		l.src.environment = &g
	}
	for i, spec := range l.manifest.Groups {
		g, err := l.group(fmt.Sprintf("group[%d]", i), spec, l.rows)
		if err != nil {
			return err
		}
		l.src.groups = append(l.src.groups, g)
	}
	return nil
}

func (l *loader) label() error {
	spec := l.manifest.Label
	l.src.task = sdk.Task{Kind: sdk.TaskKind(spec.Task)}
	columns := []string{spec.Column}
	switch l.src.task.Kind {
	case sdk.Binary:
		l.src.task.Classes = 2
		l.src.classes = []string{"0", "1"}
	case sdk.Multiclass:
		l.src.task.Classes = len(spec.Classes)
		l.src.classes = spec.Classes
	case sdk.Multilabel:
		columns = spec.Columns
		l.src.task.Classes = len(columns)
		l.src.classes = columns
	}
	meaning := map[string]string{"0": "0", "1": "1"}
	if len(spec.Positive) > 0 {
		meaning = map[string]string{}
		for _, text := range spec.Positive {
			meaning[text] = "1"
		}
	}
	for i, class := range spec.Classes {
		if i == 0 {
			meaning = map[string]string{}
		}
		meaning[class] = strconv.Itoa(i)
	}
	match := newMatcher(meaning)
	fields := make([]field, len(columns))
	path := "label.column"
	if l.src.task.Kind == sdk.Multilabel {
		path = "label.columns"
	}
	for i, name := range columns {
		var err error
		if fields[i], err = l.column(path, name); err != nil {
			return err
		}
	}
	for _, row := range l.rows {
		for i, c := range fields {
			text := c.Text(row)
			value, ok := match.find(text)
			switch {
			case text == "" && l.src.task.Kind == sdk.Multilabel:
				l.src.labels = append(l.src.labels, missingCell)
				continue
			case text == "":
				return l.manifest.Errorf(path, "%w", l.lineErrorf(row, "the row has no label; list %q under rows.drop_empty to drop such rows", columns[i]))
			case !ok && len(spec.Positive) > 0:
				value = "0"
			case !ok:
				return l.manifest.Errorf(path, "%w", l.lineErrorf(row, "label %q is not one of %s", text, quote(slices.Sorted(maps.Keys(meaning)))))
			}
			v, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			l.src.labels = append(l.src.labels, float32(v))
		}
	}
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
			Name: spec.Name, Kind: spec.Kind, Width: b.width, Length: b.length, Columns: b.names, Always: spec.Always,
		})
		l.src.values = append(l.src.values, b.values)
	}
	return nil
}

// block is a modality in memory: present says which rows have it.
type block struct {
	names         []string
	width, length int
	values        features.Values
	present       []bool
}

func (l *loader) tabular(path string, spec manifest.Modality) (block, error) {
	columns := slices.Clone(spec.Columns)
	if spec.Prefix != "" {
		found := 0
		for _, name := range l.names() {
			if len(name) > len(spec.Prefix) && name[:len(spec.Prefix)] == spec.Prefix && !slices.Contains(columns, name) {
				columns = append(columns, name)
				found++
			}
		}
		if found == 0 {
			return block{}, l.manifest.Errorf(path+".prefix", "no column begins with %q", spec.Prefix)
		}
	}
	names, values, present, err := l.matrix(path+".columns", columns, l.rows)
	if err != nil {
		return block{}, err
	}
	b := block{names: names, width: len(names), values: features.Values{Data: values}}
	for _, n := range present {
		b.present = append(b.present, n == len(columns) || (n > 0 && spec.Availability == "any"))
	}
	return b, nil
}
