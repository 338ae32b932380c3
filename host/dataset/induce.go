package dataset

import (
	"fmt"
	"math/bits"

	"github.com/deconfound/deconfound/sdk"
)

// Induced plants an association of a mask with the label in training data: the
// rows of the last class lose Modality with probability Share.
type Induced struct {
	Modality string
	Share    float64
}

// Induce returns a view of the store in which training and validation rows have
// the planted association; test rows are untouched. With ShiftFlipClass on the
// same modality it is the flip-class recipe of MultiModN (Swamy et al., NeurIPS
// 2023). The view shares everything else with s: closing one
// closes both.
func (s *Store) Induce(spec Induced, split Split, seed int) (*Store, error) {
	m, ok := s.Lookup(spec.Modality)
	switch {
	case !ok:
		return nil, fmt.Errorf("induce missingness: %q is not a modality of %s", spec.Modality, s.card.Name)
	case s.modalities[m].Always:
		return nil, fmt.Errorf("induce missingness: %s is always observed", spec.Modality)
	case !(spec.Share >= 0 && spec.Share <= 1):
		return nil, fmt.Errorf("induce missingness: share is %v, it must be between 0 and 1", spec.Share)
	case s.task.Kind == sdk.Multilabel:
		return nil, fmt.Errorf("induce missingness: needs a binary or multiclass label")
	}
	view := *s
	view.availability = append([]uint64(nil), s.availability...)
	for _, rows := range [][]int32{split.Train, split.Validation} {
		if err := s.checkRows(rows); err != nil {
			return nil, err
		}
		dropped := s.dropClass(rows, m, max(s.task.Classes, 2)-1, spec.Share, "induce", seed)
		for i, row := range rows {
			view.availability[row] = dropped[i]
		}
	}
	return &view, nil
}

// dropClass drops modality m from rows of a class when
// hash("dataset|purpose|seed|id|modality") < share. A row keeps its last
// modality.
func (s *Store) dropClass(rows []int32, m, class int, share float64, purpose string, seed int) []uint64 {
	out := make([]uint64, len(rows))
	for i, row := range rows {
		out[i] = s.availability[row]
		if s.class(row) != class || out[i]>>m&1 == 0 || bits.OnesCount64(out[i]) == 1 || s.modalities[m].Always {
			continue
		}
		if uniform(s.card.Name, purpose, seedLabel(seed), s.ids[row], s.modalities[m].Name) < share {
			out[i] &^= 1 << m
		}
	}
	return out
}

// richest is the class that has modality m most often; the first of equals.
func (s *Store) richest(rows []int32, m int) int {
	best, most := 0, -1.0
	for c, count := range s.maskTable(rows, m) {
		if n := count[0] + count[1]; n > 0 && count[1]/n > most {
			best, most = c, count[1]/n
		}
	}
	return best
}
