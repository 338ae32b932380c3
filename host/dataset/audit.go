package dataset

import (
	"cmp"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

// Audit summarises a store: what there is, what is missing, and how the label
// goes with it.
type Audit struct {
	Card     Card      `json:"card"`
	Hash     string    `json:"hash"`
	Rows     int       `json:"rows"`
	Patients int       `json:"patients"`
	Task     sdk.Task  `json:"task"`
	Dropped  []Dropped `json:"dropped,omitempty"`

	Classes      []ClassShare            `json:"classes"`
	Modalities   []ModalityAudit         `json:"modalities"`
	Patterns     []PatternAudit          `json:"patterns"`
	Environments []LevelAudit            `json:"environments,omitempty"`
	Groups       map[string][]LevelAudit `json:"groups,omitempty"`
	Covariates   []string                `json:"covariates,omitempty"`
	// Empty counts rows without any modality.
	Empty int `json:"empty"`
}

// ClassShare is the share of rows with a class or, for a multilabel task, of
// rows with the label among those where it is known.
type ClassShare struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"`
	Known int     `json:"known"`
}

// ModalityAudit describes the missingness of a modality. Observed and Absent are
// the prevalence of the label (its first, for several) in rows with and without
// it, Association is Cramér's V of mask and label; 0 where undefined.
type ModalityAudit struct {
	Name        string  `json:"name"`
	Kind        string  `json:"kind"`
	Width       int     `json:"width"`
	Length      int     `json:"length,omitempty"`
	Always      bool    `json:"always,omitempty"`
	Missing     float64 `json:"missing"`
	Cells       float64 `json:"missing_cells"` // within the rows that have it
	Observed    float64 `json:"prevalence_observed"`
	Absent      float64 `json:"prevalence_absent"`
	Association float64 `json:"association"`
}

// PatternAudit is one availability pattern.
type PatternAudit struct {
	Pattern    uint64  `json:"pattern"`
	Name       string  `json:"name"`
	Rows       int     `json:"rows"`
	Share      float64 `json:"share"`
	Prevalence float64 `json:"prevalence"`
}

// LevelAudit is one level of the environment or of a subgroup.
type LevelAudit struct {
	Name       string  `json:"name"`
	Rows       int     `json:"rows"`
	Prevalence float64 `json:"prevalence"`
}

// Natural are the rows whose availability and labels are as they came about: all
// of a dataset of tables, and of a made one those of the parts and of the first
// test set, without the shifted ones.
func (s *Store) Natural() []int32 {
	if s.given != nil {
		rows := slices.Concat(s.given.train, s.given.validation, s.given.tests[0].Rows)
		slices.Sort(rows)
		return rows
	}
	rows := make([]int32, s.Rows())
	for row := range rows {
		rows[row] = int32(row)
	}
	return rows
}

// Audit computes the summary, of the Natural rows. Prevalence is that of class 1, or of the last
// class of a multiclass task, or of the first label of a multilabel one.
func (s *Store) Audit() Audit {
	all := s.Natural()
	a := Audit{
		Card: s.card, Hash: s.hash, Rows: len(all), Patients: s.Patients() - (s.Rows() - len(all)), Task: s.task, Dropped: s.dropped,
		Covariates: s.covariate, // every shifted row of a made dataset is a patient
	}
	a.Classes = s.classShares(all)
	for m := range s.modalities {
		a.Modalities = append(a.Modalities, s.auditModality(m, all))
	}
	rows := map[uint64][]int32{}
	for _, row := range all {
		rows[s.availability[row]] = append(rows[s.availability[row]], row)
	}
	for pattern, of := range rows {
		a.Patterns = append(a.Patterns, PatternAudit{
			Pattern: pattern, Name: s.PatternName(pattern), Rows: len(of),
			Share: float64(len(of)) / float64(len(all)), Prevalence: s.prevalence(of),
		})
	}
	slices.SortFunc(a.Patterns, func(x, y PatternAudit) int {
		if x.Rows != y.Rows {
			return y.Rows - x.Rows
		}
		return cmp.Compare(x.Pattern, y.Pattern)
	})
	a.Empty = len(rows[0])
	if s.environment != nil {
		a.Environments = s.auditLevels(*s.environment)
	}
	for _, g := range s.groups {
		if a.Groups == nil {
			a.Groups = map[string][]LevelAudit{}
		}
		a.Groups[g.Name] = s.auditLevels(g)
	}
	return a
}

// event reports whether a row counts for the prevalence, and whether it is a
// case.
func (s *Store) event(row int32) (known, is bool) {
	y := s.labels[int(row)*s.task.LabelWidth()]
	switch {
	case math.IsNaN(float64(y)):
		return false, false
	case s.task.Kind == sdk.Multiclass:
		return true, int(y) == s.task.Classes-1
	}
	return true, y == 1
}

// prevalence of rows; 0 without any.
func (s *Store) prevalence(rows []int32) float64 {
	n, cases := 0, 0
	for _, row := range rows {
		if known, is := s.event(row); known {
			n++
			if is {
				cases++
			}
		}
	}
	return ratio(cases, n)
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func (s *Store) classShares(rows []int32) []ClassShare {
	out := make([]ClassShare, len(s.classes))
	width := s.task.LabelWidth()
	for c, name := range s.classes {
		n, of := 0, 0
		for _, row := range rows {
			y := s.labels[int(row)*width]
			if s.task.Kind == sdk.Multilabel {
				y = s.labels[int(row)*width+c]
			}
			if math.IsNaN(float64(y)) {
				continue
			}
			n++
			if (s.task.Kind == sdk.Multilabel && y == 1) || (s.task.Kind != sdk.Multilabel && int(y) == c) {
				of++
			}
		}
		out[c] = ClassShare{Name: name, Share: ratio(of, n), Known: n}
	}
	return out
}

func (s *Store) auditModality(m int, rows []int32) ModalityAudit {
	modality := s.modalities[m]
	var with, without []int32
	cells, missing := 0, 0
	length := []int32{1}
	for _, row := range rows {
		if s.availability[row]>>m&1 == 0 {
			without = append(without, row)
			continue
		}
		with = append(with, row)
		values, err := s.features.Raw(m, row)
		if err != nil {
			continue // the store has been closed
		}
		if modality.Length > 0 {
			if err := s.features.Lengths(m, []int32{row}, length); err != nil {
				continue
			}
		}
		for _, v := range values[:int(length[0])*modality.Width] {
			cells++
			if v != v {
				missing++
			}
		}
	}
	a := ModalityAudit{
		Name: modality.Name, Kind: string(modality.Kind), Width: modality.Width, Length: modality.Length, Always: modality.Always,
		Missing: ratio(len(without), len(rows)), Cells: ratio(missing, cells),
		Observed: s.prevalence(with), Absent: s.prevalence(without),
	}
	if s.task.Kind != sdk.Multilabel {
		a.Association = s.association(rows, m)
	}
	return a
}

func (s *Store) auditLevels(g Group) []LevelAudit {
	rows := make([][]int32, len(g.Levels))
	for row, level := range g.Values {
		rows[level] = append(rows[level], int32(row))
	}
	out := make([]LevelAudit, len(g.Levels))
	for i, name := range g.Levels {
		out[i] = LevelAudit{Name: name, Rows: len(rows[i]), Prevalence: s.prevalence(rows[i])}
	}
	return out
}
