package sweeps

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// SpecVersion is the layout of RunSpec; it is part of every run's hash.
const SpecVersion = 1

// Phases of a sweep.
const (
	PhaseSearch    = "search"    // one run for each trial, on the search seed
	PhaseReplicate = "replicate" // each cell's winner on matched seeds
)

// RunSpec is everything that decides the bits of a run, with all defaults
// filled in. Its hash is the run's identity.
type RunSpec struct {
	Version  int        `json:"version"`
	Dataset  DatasetRef `json:"dataset"`
	Backbone PluginRef  `json:"backbone"`
	Variant  string     `json:"variant"`
	// Missingness and DualBranch are nil when the component is off.
	Missingness Settings   `json:"missingness"`
	DualBranch  Settings   `json:"dual_branch"`
	Strategy    *PluginRef `json:"strategy"` // nil: none
	Optimizer   Settings   `json:"optimizer"`
	Head        Settings   `json:"head"`
	Epochs      int        `json:"epochs"`
	BatchSize   int        `json:"batch_size"`
	Patience    int        `json:"patience"`
	Width       int        `json:"width"`
	// Diagnostics says how closely the finished model is looked at; "" is
	// DiagnosticsStandard, so that the usual run keeps its hash.
	Diagnostics string `json:"diagnostics,omitempty"`
	// Parameters are the entries of [parameters] that this cell uses, by full
	// name; they are already part of the settings above.
	Parameters Settings `json:"parameters"`
	Split      Split    `json:"split"`
	Groups     []string `json:"groups"`
	Shifts     []string `json:"shifts"`
	Metric     Metric   `json:"metric"`
	Phase      string   `json:"phase"`
	Trial      int      `json:"trial"` // from 0, within the cell
	// SplitSeed picks the split, or makes a generated dataset; InitSeed is the stream of weights, batch order
	// and every other draw. Replicate s has the same two in every cell.
	SplitSeed int `json:"split_seed"`
	InitSeed  int `json:"init_seed"`
}

// DatasetRef pins a dataset. A generated one is pinned by generator and settings,
// together with RunSpec.SplitSeed, which is its seed.
type DatasetRef struct {
	Name      string   `json:"name"`
	Hash      string   `json:"hash"`
	Generator string   `json:"generator,omitempty"`
	Settings  Settings `json:"settings,omitempty"`
}

// PluginRef pins a plugin and its settings.
type PluginRef struct {
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	Hash     string   `json:"hash"`
	Settings Settings `json:"settings"`
}

// with returns the run with the given parameters, by full name, set in the
// sections they belong to. It shares nothing that changes with s.
func (s RunSpec) with(parameters Settings) RunSpec {
	sections := map[string]*Settings{
		"backbone": &s.Backbone.Settings, "missingness": &s.Missingness, "dual_branch": &s.DualBranch,
		"optimizer": &s.Optimizer, "head": &s.Head,
	}
	if s.Strategy != nil {
		strategy := *s.Strategy
		s.Strategy = &strategy
		sections["strategy"] = &strategy.Settings
	}
	for _, settings := range sections {
		*settings = maps.Clone(*settings)
	}
	numbers := map[string]*int{"epochs": &s.Epochs, "batch_size": &s.BatchSize, "patience": &s.Patience, "width": &s.Width}
	for name, v := range parameters {
		section, key, _ := strings.Cut(name, ".")
		if settings := sections[section]; settings != nil && *settings != nil {
			(*settings)[key] = v
		}
		if n, ok := v.(int64); ok && section == "run" && numbers[key] != nil {
			*numbers[key] = int(n)
		}
	}
	s.Parameters = maps.Clone(parameters)
	return s
}

// Cell returns the cell the run belongs to.
func (s RunSpec) Cell() Cell {
	return Cell{Dataset: s.Dataset.Name, Backbone: s.Backbone.Name, Variant: s.Variant}
}

// The levels of [run] diagnostics, each with all that the one before it does.
const (
	DiagnosticsOff      = "off"
	DiagnosticsCheap    = "cheap"    // of predictions and data
	DiagnosticsStandard = "standard" // and of what the finished model answers
	DiagnosticsFull     = "full"     // and networks as probes
)

// Diagnosed is the level at which the run is diagnosed: a trial of the search is
// never compared, and needs no more than the cheap ones.
func (s RunSpec) Diagnosed() string {
	level := cmp.Or(s.Diagnostics, DiagnosticsStandard)
	if level != DiagnosticsOff && s.Phase == PhaseSearch {
		return DiagnosticsCheap
	}
	return level
}

// Canonical returns the JSON that is hashed: fields in the order of the struct,
// setting names in alphabetical order, no blanks.
func (s RunSpec) Canonical() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode run: %w", err)
	}
	return text, nil
}

// Hash identifies a run.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes the hash in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(h) {
		return fmt.Errorf("decode hash: %d characters, want %d", len(text), hex.EncodedLen(len(h)))
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return fmt.Errorf("decode hash: %w", err)
	}
	return nil
}

// Hash returns the SHA-256 of Canonical.
func (s RunSpec) Hash() (Hash, error) {
	text, err := s.Canonical()
	if err != nil {
		return Hash{}, err
	}
	return sha256.Sum256(text), nil
}

// ParseSpec reads a spec back from its JSON, whatever the order of its keys.
func ParseSpec(text []byte) (RunSpec, error) {
	var s RunSpec
	if err := json.Unmarshal(text, &s); err != nil {
		return RunSpec{}, fmt.Errorf("decode run: %w", err)
	}
	if s.Version != SpecVersion {
		return RunSpec{}, fmt.Errorf("decode run: it has layout %d, this program reads %d", s.Version, SpecVersion)
	}
	return s, nil
}
