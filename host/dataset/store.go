package dataset

import (
	"errors"
	"path/filepath"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
)

// Modality is a block of features that is present or missing as a whole.
type Modality struct {
	Name string
	Kind features.Kind
	// Width is the number of columns after one-hot encoding, Length the largest
	// number of steps of a sequence (else 0).
	Width, Length int
	Columns       []string // [Width], or nil for an array without names
	// OneHot are the positions of the columns that are levels of a categorical one,
	// ascending. They are 0 or 1 and are not standardised.
	OneHot []int
	// Always marks the block that no intervention drops: every row has it.
	Always bool
}

// Scaling standardises the columns of a modality; see features.Scaling.
type Scaling = features.Scaling

// Group is a subgroup column: the level of every row.
type Group struct {
	Name   string
	Levels []string
	Values []int32 // index into Levels
}

// Card describes a dataset to readers.
type Card struct {
	Name     string `json:"name"`
	Title    string `json:"title,omitempty"`
	Text     string `json:"text,omitempty"`
	Licence  string `json:"licence,omitempty"`
	Citation string `json:"citation,omitempty"`
	Source   string `json:"source,omitempty"`
}

// Store is an open feature store with its private side. It is read-only and may
// be shared by goroutines until Close. Slices that methods return are shared
// too: callers must not write to them.
type Store struct {
	content
	dir      string
	hash     string
	key      string // KeyID
	features *features.Store
	unit     []int64

	pseudonymous bool
}

// content is what the host knows about the rows, apart from x.
type content struct {
	card       Card
	task       sdk.Task
	classes    []string
	modalities []Modality
	dropped    []Dropped

	availability []uint64
	labels       []float32
	ids          []string // of rows
	patient      []int32
	patients     []string // by patient index
	covariate    []string
	covariates   []float32 // [rows, len(covariate)], all finite
	groups       []Group
	environment  *Group
	time         []float64
	given        *given // nil if it was read from tables
}

// Dropped counts rows or cells that loading left out, and says why.
type Dropped struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// Close releases the store.
func (s *Store) Close() error {
	if s.features == nil {
		return nil
	}
	return s.features.Close()
}

// Dir is the directory of the store.
func (s *Store) Dir() string { return s.dir }

// FeatureDir is the part of the store that plugins get.
func (s *Store) FeatureDir() string { return filepath.Join(s.dir, featureDir) }

// Hash identifies the content: the manifest and the bytes of every table.
func (s *Store) Hash() string { return s.hash }

// KeyID is that of the key which made UnitHash.
func (s *Store) KeyID() string { return s.key }

// Pseudonymous says that identifiers are keyed hashes, see Pseudonymise.
func (s *Store) Pseudonymous() bool { return s.pseudonymous }

// Card describes the dataset.
func (s *Store) Card() Card { return s.card }

// Name is the dataset's name in sweeps and in split hashes.
func (s *Store) Name() string { return s.card.Name }

// Rows is the number of rows.
func (s *Store) Rows() int { return len(s.availability) }

// Patients is the number of distinct patients.
func (s *Store) Patients() int { return len(s.patients) }

// Task is what is predicted.
func (s *Store) Task() sdk.Task { return s.task }

// Classes names the classes of a multiclass task and the labels of a multilabel
// one; it is {"0", "1"} for a binary one.
func (s *Store) Classes() []string { return s.classes }

// Labels is [rows * task.LabelWidth()]: 0 or 1, the class index, or one value
// per label with NaN for unknown ones.
func (s *Store) Labels() []float32 { return s.labels }

// Modalities are in the order of the bits of an availability mask.
func (s *Store) Modalities() []Modality { return s.modalities }

// Lookup returns the position of a modality.
func (s *Store) Lookup(name string) (int, bool) {
	i := slices.IndexFunc(s.modalities, func(m Modality) bool { return m.Name == name })
	return i, i >= 0
}

// Availability is the pattern of every row: bit m is set if it has modality m.
func (s *Store) Availability() []uint64 { return s.availability }

// UnitHash is the keyed hash of every row's identifier: the name under which
// predictions are stored.
func (s *Store) UnitHash() []int64 { return s.unit }

// PatientIndex numbers the patient of every row, from 0.
func (s *Store) PatientIndex() []int32 { return s.patient }

// Groups are the subgroup columns of the manifest.
func (s *Store) Groups() []Group { return s.groups }

// Group returns a subgroup column by name; "environment" is the environment.
func (s *Store) Group(name string) (Group, bool) {
	if name == "environment" && s.environment != nil {
		return *s.environment, true
	}
	i := slices.IndexFunc(s.groups, func(g Group) bool { return g.Name == name })
	if i < 0 {
		return Group{}, false
	}
	return s.groups[i], true
}

// Environment is the environment (site, period, cohort) of every row as an index
// into EnvironmentLevels; nil if the dataset has none.
func (s *Store) Environment() []int32 {
	if s.environment == nil {
		return nil
	}
	return s.environment.Values
}

// EnvironmentLevels names the environments, in ascending order.
func (s *Store) EnvironmentLevels() []string {
	if s.environment == nil {
		return nil
	}
	return s.environment.Levels
}

// Features is the host's own view of x.
func (s *Store) Features() *features.Store { return s.features }

// CovariateWidth is the number of columns of Covariates.
func (s *Store) CovariateWidth() int { return len(s.covariate) }

// CovariateNames names the columns of Covariates, after one-hot encoding.
func (s *Store) CovariateNames() []string { return s.covariate }

// Covariates returns the always-observed covariates W of rows, [len(rows) *
// CovariateWidth()], standardised with the statistics of the rows train; a
// column that is constant there becomes 0.
func (s *Store) Covariates(rows, train []int32) []float32 {
	p := len(s.covariate)
	out := make([]float32, len(rows)*p)
	for c := range p {
		var m moments
		for _, row := range train {
			m.add(s.covariates[int(row)*p+c])
		}
		mean, scale := m.scaling()
		if scale == 0 {
			continue
		}
		for i, row := range rows {
			out[i*p+c] = float32((float64(s.covariates[int(row)*p+c]) - float64(mean)) / float64(scale))
		}
	}
	return out
}

// checkRows refuses row numbers that are not in the store.
func (s *Store) checkRows(rows []int32) error {
	for _, row := range rows {
		if row < 0 || int(row) >= s.Rows() {
			return errors.New("split is of another store: row out of range")
		}
	}
	return nil
}

// class is the label of a row of a binary or multiclass task.
func (s *Store) class(row int32) int { return int(s.labels[row]) }
