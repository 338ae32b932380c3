package backbone

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
)

// Source is where a batch takes its features from: a feature store, or arrays in
// memory in a test. Modalities are counted as in Config.Modalities.
type Source interface {
	// Rows is the number of rows.
	Rows() int
	// Gather writes the standardised features of rows into dst, row after row:
	// Width values each, Length*Width for a sequence.
	Gather(modality int, rows []int32, dst []float32) error
	// Lengths writes the number of time steps of rows of a sequence into dst.
	Lengths(modality int, rows []int32, dst []int32) error
}

// store is a feature store seen through the modalities and scaling of a session.
type store struct {
	*features.Store
	index   []int // of modality m in the store
	scaling []features.Scaling
}

// openStore opens a feature store and finds the modalities in it. Errors have
// code bad_request.
func openStore(dir string, modalities []sdk.Modality) (*store, error) {
	opened, err := features.Open(dir)
	if err != nil {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "%v", err)
	}
	s := &store{Store: opened}
	stored := opened.Modalities()
	for _, m := range modalities {
		i, ok := opened.Lookup(m.Name)
		if !ok {
			opened.Close()
			return nil, sdk.Errorf(sdk.CodeBadRequest, "the feature store has no modality %q", m.Name)
		}
		if got := stored[i]; string(got.Kind) != string(m.Kind) || got.Width != m.Width || got.Length != m.Length {
			opened.Close()
			return nil, sdk.Errorf(sdk.CodeBadRequest,
				"modality %s is %s of width %d and length %d in the feature store, but %s of width %d and length %d in the request",
				m.Name, got.Kind, got.Width, got.Length, m.Kind, m.Width, m.Length)
		}
		s.index = append(s.index, i)
		s.scaling = append(s.scaling, features.Scaling{
			Mean: m.Scaling.Mean, Scale: m.Scaling.Scale, Erasure: features.Erasure(m.Scaling.Erasure),
		})
	}
	return s, nil
}

func (s *store) Gather(modality int, rows []int32, dst []float32) error {
	return s.Store.Gather(s.index[modality], rows, s.scaling[modality], dst)
}

func (s *store) Lengths(modality int, rows []int32, dst []int32) error {
	return s.Store.Lengths(s.index[modality], rows, dst)
}

// rowSize is the number of feature values of one row.
func rowSize(m sdk.Modality) int {
	if m.Kind == sdk.Sequence {
		return m.Width * m.Length
	}
	return m.Width
}

func checkModality(i int, m sdk.Modality) error {
	bad := func(format string, args ...any) error {
		return sdk.Errorf(sdk.CodeBadRequest, "modality %d (%s): %s", i, m.Name, fmt.Sprintf(format, args...))
	}
	switch m.Kind {
	case sdk.Tabular, sdk.Embedding:
		if m.Length != 0 {
			return bad("length %d, but only a sequence has one", m.Length)
		}
	case sdk.Sequence:
		if m.Length < 1 {
			return bad("a sequence needs a length of at least 1, not %d", m.Length)
		}
	default:
		return bad("unknown kind %q", m.Kind)
	}
	if m.Width < 1 {
		return bad("width %d, it must be at least 1", m.Width)
	}
	if s := m.Scaling; (s.Mean != nil || s.Scale != nil) && (len(s.Mean) != m.Width || len(s.Scale) != m.Width) {
		return bad("scaling has %d means and %d scales for %d columns", len(s.Mean), len(s.Scale), m.Width)
	}
	if err := features.Erasure(m.Scaling.Erasure).Check(m.Width); err != nil {
		return bad("%v", err)
	}
	return nil
}
