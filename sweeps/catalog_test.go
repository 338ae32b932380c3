package sweeps

import "fmt"

// fakeCatalog knows one dataset, three backbones and two strategies.
type fakeCatalog struct{}

func bound(f float64) *float64 { return &f }

var (
	_ CatalogWithNames = fakeCatalog{}
	_ CatalogWithCodes = fakeCatalog{}

	_ CatalogWithSamplers = fakeCatalog{}
)

func (fakeCatalog) Dataset(name string) (DatasetInfo, error) {
	if name != "nafld" && name != "support2" {
		return DatasetInfo{}, fmt.Errorf("dataset %q has not been added", name)
	}
	return DatasetInfo{
		Name: name, Hash: "d" + name, Modalities: []string{"base", "labs"}, Groups: []string{"sex"},
		Shifts: []string{"flip", "do"}, Rows: 1000, Task: "binary",
	}, nil
}

func (fakeCatalog) Generator(name string) ([]Parameter, error) {
	if name != "mm_conf" {
		return nil, fmt.Errorf("no generator %q", name)
	}
	return []Parameter{
		{Name: "scenario", Type: "string", Default: "S0", Values: []any{"S0", "S2"}},
		{Name: "kappa", Type: "float", Default: 0.0, Min: bound(0), Max: bound(1)},
		{Name: "rows", Type: "int", Default: int64(100), Min: bound(50)},
	}, nil
}

func (fakeCatalog) Generate(name, generator string, settings Settings) (DatasetInfo, error) {
	if rows, ok := settings.Int("rows"); ok && rows%2 == 1 {
		return DatasetInfo{}, fmt.Errorf("rows is %d, it must be even", rows)
	}
	return DatasetInfo{
		Name: name, Hash: fmt.Sprint("g", name, settings), Generator: generator, Settings: settings,
		Shifts: []string{"do", "rate:0.5"}, Task: "binary", Truth: true,
	}, nil
}

func (fakeCatalog) Backbone(name string) (PluginInfo, error) {
	info := PluginInfo{Name: name, Version: "1.0.0", Hash: "b" + name, Parameters: []Parameter{
		{Name: "dropout", Type: "float", Default: 0.1, Min: bound(0), Max: bound(0.9)},
	}}
	switch name {
	case "concat", "gated":
	case "transformer":
		info.Parameters = append(info.Parameters,
			Parameter{Name: "layers", Type: "int", Default: 2, Min: bound(1), Max: bound(8)},
			Parameter{Name: "heads", Type: "int", Default: int64(4), Values: []any{int64(1), int64(2), int64(4)}},
			Parameter{Name: "residual", Type: "bool", Default: true},
		)
	case "trees":
		info.EndToEnd = true
		info.Parameters = []Parameter{{Name: "leaves", Type: "int", Default: int64(31), Min: bound(2), Max: bound(255)}}
	default:
		return PluginInfo{}, fmt.Errorf("backbone %q is not installed", name)
	}
	return info, nil
}

func (fakeCatalog) Strategy(name string) (PluginInfo, error) {
	if name != "ipw" && name != "groupdro" {
		return PluginInfo{}, fmt.Errorf("strategy %q is not installed", name)
	}
	return PluginInfo{Name: name, Version: "1.0.0", Hash: "s" + name, Parameters: []Parameter{
		{Name: "clip", Type: "float", Default: 10.0, Min: bound(1), Max: bound(100)},
		{Name: "stabilised", Type: "bool", Default: true},
	}}, nil
}

func (fakeCatalog) Sampler(name string) (PluginInfo, error) {
	if name != "mine" {
		return PluginInfo{}, fmt.Errorf("sampler %q is not installed", name)
	}
	return PluginInfo{Name: name, Version: "1.0.0", Hash: "p" + name, Parameters: []Parameter{
		{Name: "share", Type: "float", Default: 0.5, Min: bound(0), Max: bound(1)},
		{Name: "startup", Type: "int", Default: int64(4), Min: bound(1)},
	}}, nil
}

func (fakeCatalog) Component(name string) []Parameter {
	switch name {
	case "missingness":
		return []Parameter{
			{Name: "mode", Type: "string", Default: "enumerate", Values: []any{"enumerate", "sample", "mask_do"}},
			{Name: "rate", Type: "float", Default: 0.2, Min: bound(0), Max: bound(1)},
			{Name: "rank", Type: "int", Default: int64(8), Min: bound(2)},
			{Name: "keep", Type: "bool", Default: false},
			{Name: "depth", Type: "int", Default: int64(1), Max: bound(4)},
		}
	case "dual_branch":
		return []Parameter{
			{Name: "split", Type: "string", Default: "gce", Values: []any{"gce", "availability"}},
			{Name: "mechanism", Type: "string", Values: []any{"confounder", "label", "self"}}, // empty unless given
			{Name: "swap_weight", Type: "float", Default: 1.0, Min: bound(0), Max: bound(15)},
		}
	}
	return nil
}

func (fakeCatalog) Names(kind string) []string {
	return map[string][]string{
		"dataset": {"nafld", "support2"}, "backbone": {"concat", "gated", "transformer"}, "strategy": {"groupdro", "ipw"}, "sampler": {"mine"},
	}[kind]
}

func (fakeCatalog) Codes() []string {
	return []string{"lost", "plugin_crash", "plugin_start", "nan", "oom"}
}
