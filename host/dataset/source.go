package dataset

import (
	"github.com/deconfound/deconfound/sdk/features"
)

// Source is a dataset that has been read and checked, ready for Build. It holds
// the whole dataset in memory.
type Source struct {
	content
	hash   string
	values []features.Values // by modality
	// unit are the unit hashes where the identifiers are no longer those they were
	// made from; see Pseudonymise.
	unit         []int64
	pseudonymous bool
}

// Hash is the content hash: of the manifest and of every file it names.
func (src *Source) Hash() string { return src.hash }
