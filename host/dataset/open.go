package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/features/npy"
)

// Open opens the store in dir after checking that none of its files has
// changed. Close releases it.
func Open(dir string) (_ *Store, err error) {
	if err := checkSums(dir); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	m, err := readMeta(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, hash: m.Hash, key: m.Key, pseudonymous: m.Pseudonymous}
	if s.features, err = features.Open(s.FeatureDir()); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open store %s: %w", dir, errors.Join(err, s.Close()))
		}
	}()
	return s, s.readPrivate(m)
}

func readMeta(dir string) (meta, error) {
	var m meta
	if err := readJSON(filepath.Join(dir, privateDir), metaFile, &m); err != nil {
		return meta{}, fmt.Errorf("open store: %w", err)
	}
	if m.Format < 1 || m.Format > pseudonymFormat {
		return meta{}, fmt.Errorf("open store: %s has format %d, this program reads up to %d; build it again", dir, m.Format, pseudonymFormat)
	}
	if m.Format == 1 { // levels were standardised like numbers
		m.OneHot = make([][]int, len(m.Always))
	}
	return m, nil
}

func (s *Store) readPrivate(m meta) error {
	dir := filepath.Join(s.dir, privateDir)
	s.card, s.task, s.classes, s.dropped, s.covariate = m.Card, m.Task, m.Classes, m.Dropped, m.Covariates
	stored := s.features.Modalities()
	if s.features.Rows() != m.Rows || len(stored) != len(m.Always) || len(stored) != len(m.OneHot) {
		return fmt.Errorf("%w: features and private side do not belong together", ErrDamaged)
	}
	for i, x := range stored {
		s.modalities = append(s.modalities, Modality{
			Name: x.Name, Kind: x.Kind, Width: x.Width, Length: x.Length, Columns: x.Columns, OneHot: m.OneHot[i], Always: m.Always[i],
		})
	}
	var names ids
	if err := readJSON(dir, idsFile, &names); err != nil {
		return err
	}
	s.ids, s.patients = names.Rows, names.Patients

	var groups, environment []int32
	err := errors.Join(
		readArray(dir, "availability", &s.availability, m.Rows),
		readArray(dir, "labels", &s.labels, m.Rows*m.Task.LabelWidth()),
		readArray(dir, "units", &s.unit, m.Rows),
		readArray(dir, "patients", &s.patient, m.Rows),
		readArray(dir, "covariates", &s.covariates, m.Rows*len(m.Covariates)),
		readArray(dir, "groups", &groups, m.Rows*len(m.Groups)),
	)
	if m.Environment != nil {
		err = errors.Join(err, readArray(dir, "environment", &environment, m.Rows))
		s.environment = &Group{Name: m.Environment.Name, Levels: m.Environment.Levels, Values: environment}
	}
	if m.Time {
		err = errors.Join(err, readArray(dir, "time", &s.time, m.Rows))
	}
	if m.Given != nil {
		var failed error
		s.given, failed = m.Given.read(dir)
		err = errors.Join(err, failed)
	}
	if err != nil {
		return err
	}
	for i, g := range m.Groups {
		s.groups = append(s.groups, Group{Name: g.Name, Levels: g.Levels, Values: groups[i*m.Rows : (i+1)*m.Rows]})
	}
	return nil
}

func readJSON(dir, name string, value any) error {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func readArray[T npy.Number](dir, name string, into *[]T, want int) error {
	data, err := os.ReadFile(filepath.Join(dir, name+".npy"))
	if err != nil {
		return err
	}
	values, _, err := npy.Read[T](data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(values) != want {
		return fmt.Errorf("%w: %s has %d values instead of %d", ErrDamaged, name, len(values), want)
	}
	*into = values
	return nil
}
