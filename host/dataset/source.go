package dataset

import (
	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/sdk/features"
)

// Source is a dataset that has been read and checked, ready for Build. It holds
// the whole dataset in memory.
type Source struct {
	content
	manifest *manifest.Manifest
	hash     string
	values   []features.Values // by modality
}

// Manifest is the manifest the source was read from.
func (src *Source) Manifest() *manifest.Manifest { return src.manifest }

// Hash is the content hash: of the manifest and of every file it names.
func (src *Source) Hash() string { return src.hash }

// Rows is the number of rows.
func (src *Source) Rows() int { return len(src.availability) }
