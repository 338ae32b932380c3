package sdk

import (
	"fmt"
	"regexp"
	"slices"
)

// Kind is the kind of a plugin.
type Kind string

const (
	KindBackbone Kind = "backbone"
	KindStrategy Kind = "strategy"
	KindSampler  Kind = "sampler"
)

// Kinds are all kinds.
var Kinds = []Kind{KindBackbone, KindStrategy, KindSampler}

// InfoRequest asks a plugin to describe itself.
type InfoRequest struct{}

// InfoResponse is the answer.
type InfoResponse struct {
	Info Info
}

// Info describes a plugin. It is the same for every session and needs no data.
type Info struct {
	Kind Kind
	// Name is what a sweep file says: lower case letters, digits, - and _.
	Name    string
	Version string
	// Licence is an SPDX identifier.
	Licence string
	// Citation names the paper the method comes from, best with its DOI.
	Citation string
	// Text is one paragraph for people.
	Text            string
	Hyperparameters []Hyperparameter
	Capabilities    Capabilities
}

// Capabilities are what a plugin can or needs. The zero value is a plugin with
// no special needs or promises.
type Capabilities struct {
	// NeedsLabels asks for the labels of every training batch (ForwardRequest.Labels).
	NeedsLabels bool
	// BatchIndependent promises that in Eval mode a row's h does not depend on
	// the other rows of the batch.
	BatchIndependent bool
	// Deterministic promises the same bits for the same requests.
	Deterministic bool
	// ModalityEmbeddings says that Forward fills ForwardResponse.ModalityEmbeddings.
	ModalityEmbeddings bool
	// RevealsAvailability asks the host, of a strategy, to give the head the
	// availability mask beside h: [h; mask], in training and in prediction.
	RevealsAvailability bool
	// Erasure promises that a backbone applies Scaling.Erasure. One that reads its
	// features through package sdk/backbone or sdk/features does.
	Erasure bool
	// Stages says that the session of a strategy is a [Stager].
	Stages bool
	// Mixes says that the session of a strategy is a [Mixer].
	Mixes bool
	// PostHoc says that the session of a strategy is a [Fitter], and of what.
	PostHoc PostHoc
	// ModalityKinds are the kinds a backbone accepts; empty means all.
	ModalityKinds []ModalityKind
	// Tasks are the task kinds a plugin accepts; empty means all.
	Tasks []TaskKind
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// ValidName reports whether a plugin may have this name. A name becomes part of
// paths and of metric names, so it is restricted.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// Validate reports what makes a description unusable, with code bad_request.
func (i Info) Validate() error {
	if !slices.Contains(Kinds, i.Kind) {
		return Errorf(CodeBadRequest, "plugin %q has unknown kind %q", i.Name, i.Kind)
	}
	if !ValidName(i.Name) {
		return Errorf(CodeBadRequest, "plugin name %q must start with a lower case letter and hold at most 64 of a-z, 0-9, - and _", i.Name)
	}
	if i.Version == "" {
		return Errorf(CodeBadRequest, "plugin %s has no version", i.Name)
	}
	switch c := i.Capabilities; {
	case c.PostHoc != NoPostHoc && c.PostHoc != PostHocScores && c.PostHoc != PostHocRepresentation:
		return Errorf(CodeBadRequest, "plugin %s declares unknown post-hoc fitting %q; there are %s and %s", i.Name, c.PostHoc, PostHocScores, PostHocRepresentation)
	case i.Kind != KindStrategy && (c.Stages || c.Mixes || c.PostHoc != NoPostHoc):
		return Errorf(CodeBadRequest, "plugin %s is no strategy, and declares stages, mixing or post-hoc fitting", i.Name)
	}
	seen := map[string]bool{}
	for _, h := range i.Hyperparameters {
		if seen[h.Name] {
			return Errorf(CodeBadRequest, "plugin %s declares hyperparameter %s twice", i.Name, h.Name)
		}
		seen[h.Name] = true
		if err := h.Validate(); err != nil {
			return fmt.Errorf("plugin %s: %w", i.Name, err)
		}
	}
	return nil
}

// Complete checks values against the declared hyperparameters and returns them
// in canonical types with defaults for those not given. An unknown name is an
// error with a suggestion.
func (i Info) Complete(values map[string]any) (Values, error) {
	names := make([]string, 0, len(i.Hyperparameters))
	out := make(Values, len(i.Hyperparameters))
	for _, h := range i.Hyperparameters {
		names = append(names, h.Name)
		v, given := values[h.Name]
		if !given {
			v = h.Default
		}
		checked, err := h.Check(v)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", i.Kind, i.Name, err)
		}
		out[h.Name] = checked
	}
	for name := range values {
		if _, known := out[name]; known {
			continue
		}
		if near := Nearest(name, names); near != "" {
			return nil, Errorf(CodeBadRequest, "%s %s has no hyperparameter %q, did you mean %q?", i.Kind, i.Name, name, near)
		}
		return nil, Errorf(CodeBadRequest, "%s %s has no hyperparameter %q; it has %v", i.Kind, i.Name, name, names)
	}
	return out, nil
}

// Accepts reports with code unsupported the first modality or task that the
// plugin does not take, or an erasure that it would not apply.
func (c Capabilities) Accepts(task Task, modalities []Modality) error {
	if len(c.Tasks) > 0 && !contains(c.Tasks, task.Kind) {
		return Errorf(CodeUnsupported, "%s tasks are not supported, only %v", task.Kind, c.Tasks)
	}
	for _, m := range modalities {
		if m.Scaling.Erasure.Directions > 0 && !c.Erasure {
			return Errorf(CodeUnsupported, "modality %s has directions to erase, and the backbone does not declare that it applies them; build it with this version of the SDK, or use dual_branch.at = \"head\"", m.Name)
		}
	}
	if len(c.ModalityKinds) > 0 {
		for _, m := range modalities {
			if !contains(c.ModalityKinds, m.Kind) {
				return Errorf(CodeUnsupported, "modality %s is %s, only %v is supported", m.Name, m.Kind, c.ModalityKinds)
			}
		}
	}
	return nil
}

func contains[T comparable](list []T, v T) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}
