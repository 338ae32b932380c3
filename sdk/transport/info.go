package transport

import (
	"strings"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// text makes a string that protobuf accepts.
func text(s string) string { return strings.ToValidUTF8(s, "�") }

func packInfo(i sdk.Info) *pb.InfoResponse {
	out := &pb.InfoResponse{
		Kind:     string(i.Kind),
		Name:     text(i.Name),
		Version:  text(i.Version),
		Licence:  text(i.Licence),
		Citation: text(i.Citation),
		Text:     text(i.Text),
		Contract: Minor,
		Capabilities: &pb.Capabilities{
			NeedsLabels:         i.Capabilities.NeedsLabels,
			BatchIndependent:    i.Capabilities.BatchIndependent,
			Deterministic:       i.Capabilities.Deterministic,
			ModalityEmbeddings:  i.Capabilities.ModalityEmbeddings,
			RevealsAvailability: i.Capabilities.RevealsAvailability,
			Erasure:             i.Capabilities.Erasure,
			Stages:              i.Capabilities.Stages,
			Mixes:               i.Capabilities.Mixes,
			PostHoc:             string(i.Capabilities.PostHoc),
		},
	}
	for _, k := range i.Capabilities.ModalityKinds {
		out.Capabilities.ModalityKinds = append(out.Capabilities.ModalityKinds, string(k))
	}
	for _, k := range i.Capabilities.Tasks {
		out.Capabilities.Tasks = append(out.Capabilities.Tasks, string(k))
	}
	for _, h := range i.Hyperparameters {
		out.Hyperparameters = append(out.Hyperparameters, &pb.Hyperparameter{
			Name:    text(h.Name),
			Type:    string(h.Type),
			Default: packValue(h.Default),
			Min:     h.Min,
			Max:     h.Max,
			Values:  h.Values,
			Log:     h.Log,
			Text:    text(h.Text),
			Unit:    string(h.Unit),
		})
	}
	return out
}

func unpackInfo(m *pb.InfoResponse) sdk.Info {
	i := sdk.Info{
		Kind:     sdk.Kind(m.GetKind()),
		Name:     m.GetName(),
		Version:  m.GetVersion(),
		Licence:  m.GetLicence(),
		Citation: m.GetCitation(),
		Text:     m.GetText(),
		Capabilities: sdk.Capabilities{
			NeedsLabels:         m.GetCapabilities().GetNeedsLabels(),
			BatchIndependent:    m.GetCapabilities().GetBatchIndependent(),
			Deterministic:       m.GetCapabilities().GetDeterministic(),
			ModalityEmbeddings:  m.GetCapabilities().GetModalityEmbeddings(),
			RevealsAvailability: m.GetCapabilities().GetRevealsAvailability(),
			Erasure:             m.GetCapabilities().GetErasure(),
			Stages:              m.GetCapabilities().GetStages(),
			Mixes:               m.GetCapabilities().GetMixes(),
			PostHoc:             sdk.PostHoc(m.GetCapabilities().GetPostHoc()),
		},
	}
	for _, k := range m.GetCapabilities().GetModalityKinds() {
		i.Capabilities.ModalityKinds = append(i.Capabilities.ModalityKinds, sdk.ModalityKind(k))
	}
	for _, k := range m.GetCapabilities().GetTasks() {
		i.Capabilities.Tasks = append(i.Capabilities.Tasks, sdk.TaskKind(k))
	}
	for _, h := range m.GetHyperparameters() {
		i.Hyperparameters = append(i.Hyperparameters, sdk.Hyperparameter{
			Name:    h.GetName(),
			Type:    sdk.Type(h.GetType()),
			Default: unpackValue(h.GetDefault()),
			Min:     h.GetMin(),
			Max:     h.GetMax(),
			Values:  h.GetValues(),
			Log:     h.GetLog(),
			Text:    h.GetText(),
			Unit:    sdk.Unit(h.GetUnit()),
		})
	}
	return i
}

// packValue answers an empty value for a type that hyperparameters do not have;
// it fails the check on the other side.
func packValue(v any) *pb.Value {
	switch x := v.(type) {
	case float64:
		return &pb.Value{Kind: &pb.Value_Float{Float: x}}
	case float32:
		return &pb.Value{Kind: &pb.Value_Float{Float: float64(x)}}
	case int64:
		return &pb.Value{Kind: &pb.Value_Int{Int: x}}
	case int:
		return &pb.Value{Kind: &pb.Value_Int{Int: int64(x)}}
	case int32:
		return &pb.Value{Kind: &pb.Value_Int{Int: int64(x)}}
	case bool:
		return &pb.Value{Kind: &pb.Value_Bool{Bool: x}}
	case string:
		return &pb.Value{Kind: &pb.Value_String_{String_: text(x)}}
	}
	return &pb.Value{}
}

func unpackValue(m *pb.Value) any {
	switch x := m.GetKind().(type) {
	case *pb.Value_Float:
		return x.Float
	case *pb.Value_Int:
		return x.Int
	case *pb.Value_Bool:
		return x.Bool
	case *pb.Value_String_:
		return x.String_
	}
	return nil
}

func packValues(values sdk.Values) map[string]*pb.Value {
	out := make(map[string]*pb.Value, len(values))
	for name, v := range values {
		out[text(name)] = packValue(v)
	}
	return out
}

func unpackValues(m map[string]*pb.Value) sdk.Values {
	out := make(sdk.Values, len(m))
	for name, v := range m {
		out[name] = unpackValue(v)
	}
	return out
}
