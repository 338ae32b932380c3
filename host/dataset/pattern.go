package dataset

import "strings"

// PatternName names an availability pattern by its modalities, in the order of
// the bits: "base+lipid". A row without any modality is "none".
func (s *Store) PatternName(pattern uint64) string {
	var names []string
	for m, modality := range s.Modalities() {
		if pattern>>m&1 == 1 {
			names = append(names, modality.Name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, "+")
}
