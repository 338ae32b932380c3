package causal

import (
	"bytes"
	"encoding/gob"
	"fmt"
)

// snapshotVersion is raised when the layout below changes.
const snapshotVersion = 1

// snapshot is the whole state of a head. Generators are not part of it: draws
// are keyed by seed, purpose and step.
type snapshot struct {
	Version    int
	Layout     string
	Epoch      int
	Step       uint64
	Refreshed  int
	Groups     []groupState
	Dictionary *dictionaryState
	Network    networkState
}

type groupState struct {
	Name      string
	Names     []string
	Values    [][]float32
	Optimizer []byte
}

type dictionaryState struct {
	Z     []float32
	Prior []float64
	Own   []int32
	Built bool
}

// networkState is the state of a network beside parameters and dictionary.
type networkState struct {
	// MeanSum and MeanWeight are the running mean of z_b, exponentially weighted.
	MeanSum    []float64
	MeanWeight float64
	// PoolBiased [J, width] and PoolStrata [J] are the stored pairs.
	PoolBiased []float32
	PoolStrata []int32
}

// Snapshot returns the exact state between two steps: a head restored from it
// continues to the same bits.
func (h *Head) Snapshot() ([]byte, error) {
	if h.due != nil {
		return nil, errNoUpdate
	}
	s := snapshot{
		Version:   snapshotVersion,
		Layout:    h.cfg.layout(len(h.training.Availability)),
		Epoch:     h.epoch,
		Step:      h.step,
		Refreshed: h.refreshed,
		Network:   h.network.state(),
	}
	for _, g := range h.groups {
		state := groupState{Name: g.name, Optimizer: g.optimizer.State()}
		for _, p := range g.params.All() {
			state.Names = append(state.Names, p.Name)
			state.Values = append(state.Values, p.Value)
		}
		s.Groups = append(s.Groups, state)
	}
	if d := h.strata; d != nil {
		s.Dictionary = &dictionaryState{Z: d.z, Prior: d.prior, Own: d.own, Built: d.built}
	}
	var buffer bytes.Buffer
	if err := gob.NewEncoder(&buffer).Encode(s); err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return buffer.Bytes(), nil
}

// Restore brings a head built from the same configuration and training rows to
// the state of a snapshot. A Forward or Gradient that waits for what follows it is
// dropped. After an error the head must not be used.
func (h *Head) Restore(data []byte) error {
	var s snapshot
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if s.Version != snapshotVersion {
		return fmt.Errorf("read snapshot: it has version %d, this program reads version %d", s.Version, snapshotVersion)
	}
	if layout := h.cfg.layout(len(h.training.Availability)); s.Layout != layout {
		return fmt.Errorf("read snapshot: it belongs to another configuration: %s; this head is %s", s.Layout, layout)
	}
	if len(s.Groups) != len(h.groups) || (s.Dictionary == nil) != (h.strata == nil) {
		return fmt.Errorf("read snapshot: it has %d groups of parameters, this head has %d", len(s.Groups), len(h.groups))
	}
	for i, g := range h.groups {
		if err := g.restore(s.Groups[i]); err != nil {
			return fmt.Errorf("read snapshot: %w", err)
		}
	}
	if d := h.strata; d != nil {
		d.z, d.prior, d.own, d.built = s.Dictionary.Z, s.Dictionary.Prior, s.Dictionary.Own, s.Dictionary.Built
	}
	if err := h.network.setState(s.Network); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	h.epoch, h.step, h.refreshed = s.Epoch, s.Step, s.Refreshed
	h.pending, h.due = nil, nil
	return nil
}

func (g *group) restore(state groupState) error {
	params := g.params.All()
	if state.Name != g.name || len(state.Names) != len(params) || len(state.Values) != len(params) {
		return fmt.Errorf("group %s with %d parameters, want %s with %d", state.Name, len(state.Names), g.name, len(params))
	}
	for i, p := range params {
		if state.Names[i] != p.Name || len(state.Values[i]) != len(p.Value) {
			return fmt.Errorf("parameter %s with %d values, want %s with %d", state.Names[i], len(state.Values[i]), p.Name, len(p.Value))
		}
	}
	for i, p := range params {
		copy(p.Value, state.Values[i])
	}
	if err := g.optimizer.SetState(state.Optimizer); err != nil {
		return fmt.Errorf("group %s: %w", g.name, err)
	}
	return nil
}
