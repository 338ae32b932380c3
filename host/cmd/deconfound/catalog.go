package main

import (
	"context"
	"math"
	"strings"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
)

// codeDataDrift says that a dataset's content differs from what was planned.
const codeDataDrift sdk.Code = "data_drift"

// catalog answers what a sweep file may refer to from what is installed.
type catalog struct {
	ctx      context.Context
	home     home
	registry *plugin.Registry
	pool     *plugin.Pool
	altered  bool // a plugin is not as it was locked
}

var (
	_ sweeps.CatalogWithNames      = (*catalog)(nil)
	_ sweeps.CatalogWithCodes      = (*catalog)(nil)
	_ sweeps.CatalogWithComponents = (*catalog)(nil)
	_ sweeps.CatalogWithDefaults   = (*catalog)(nil)
	_ sweeps.CatalogWithGenerators = (*catalog)(nil)
	_ sweeps.CatalogWithSamplers   = (*catalog)(nil)
)

func (a *app) catalog(ctx context.Context) (*catalog, error) {
	h, err := findHome()
	if err != nil {
		return nil, err
	}
	return &catalog{ctx: ctx, home: h, registry: a.plugins(), pool: a.processes()}, nil
}

// Dataset describes a dataset by its store, or one that is generated.
func (c *catalog) Dataset(name string) (sweeps.DatasetInfo, error) {
	if isGenerated(name) {
		return describeScenario(name)
	}
	store, err := c.home.openDataset(c.ctx, name)
	if err != nil {
		return sweeps.DatasetInfo{}, err
	}
	defer store.Close()
	info := sweeps.DatasetInfo{Name: store.Name(), Hash: store.Hash(), Rows: store.Rows(), Task: string(store.Task().Kind), Classes: store.Task().Classes}
	info.Shifts = []string{dataset.ShiftDo, dataset.ShiftFlip, "pattern_flip", dataset.ShiftPatternMix, dataset.ShiftFlipClass, dataset.ShiftSourceTest}
	for _, m := range store.Modalities() {
		info.Modalities = append(info.Modalities, m.Name)
	}
	for _, g := range store.Groups() {
		info.Groups = append(info.Groups, g.Name)
	}
	if store.Environment() != nil {
		info.Groups = append(info.Groups, "environment")
	}
	return info, nil
}

// Backbone describes an installed backbone.
func (c *catalog) Backbone(name string) (sweeps.PluginInfo, error) {
	return c.plugin(sdk.KindBackbone, name)
}

// Strategy describes an installed strategy.
func (c *catalog) Strategy(name string) (sweeps.PluginInfo, error) {
	return c.plugin(sdk.KindStrategy, name)
}

// Sampler describes an installed sampler.
func (c *catalog) Sampler(name string) (sweeps.PluginInfo, error) {
	return c.plugin(sdk.KindSampler, name)
}

func (c *catalog) plugin(kind sdk.Kind, name string) (sweeps.PluginInfo, error) {
	p, err := findPlugin(c.ctx, c.registry, c.pool, kind, name)
	if err != nil {
		c.altered = c.altered || sdk.CodeOf(err) == sdk.CodePluginAltered
		return sweeps.PluginInfo{}, err
	}
	info := sweeps.PluginInfo{Name: name, Version: p.info.Version, Hash: p.hash, EndToEnd: p.entry.Script != nil}
	for _, h := range p.info.Hyperparameters {
		info.Parameters = append(info.Parameters, settingOf(string(h.Type), h.Name, h.Default, h.Min, h.Max, h.Values, h.Text))
	}
	return info, nil
}

// Component lists the settings of a built-in component.
func (c *catalog) Component(name string) []sweeps.Parameter {
	var list []causal.Parameter
	switch name {
	case "missingness":
		list = causal.MissingnessParameters()
	case "dual_branch":
		list = causal.DualBranchParameters()
	}
	var out []sweeps.Parameter
	for _, p := range list {
		kind := p.Type
		if kind == causal.Enum {
			kind = "string"
		}
		out = append(out, settingOf(kind, p.Name, p.Default, p.Min, p.Max, p.Values, p.Text))
	}
	return out
}

// Defaults are the defaults of a built-in component beside given settings.
func (c *catalog) Defaults(component string, given sweeps.Settings) sweeps.Settings {
	if component != "dual_branch" {
		return nil
	}
	return causal.DualBranchDefaults(given)
}

// Components asks the built-in components whether they go together.
func (c *catalog) Components(data sweeps.DatasetInfo, missingness, dualBranch sweeps.Settings) error {
	m, d, err := components(missingness, dualBranch)
	if err != nil {
		return err
	}
	return causal.Compatible(m, d, causal.Task{Kind: data.Task, Classes: data.Classes}, len(data.Modalities))
}

// combinable asks whether the strategy of a run goes with its components.
func (c *catalog) combinable(spec sweeps.RunSpec) error {
	p, err := findPlugin(c.ctx, c.registry, c.pool, sdk.KindStrategy, spec.Strategy.Name)
	if err != nil {
		return err
	}
	return train.Combinable(p.info, spec.Missingness != nil, spec.DualBranch != nil)
}

// settingOf makes a sweep parameter; bounds of 0 and 0 mean none.
func settingOf(kind, name string, byDefault any, low, high float64, values []string, text string) sweeps.Parameter {
	p := sweeps.Parameter{Name: name, Type: kind, Default: byDefault, Text: text}
	if low != 0 || high != 0 {
		if !math.IsInf(low, -1) {
			p.Min = &low
		}
		if !math.IsInf(high, 1) {
			p.Max = &high
		}
	}
	for _, v := range values {
		p.Values = append(p.Values, v)
	}
	return p
}

// Names lists what exists, for suggestions.
func (c *catalog) Names(kind string) []string {
	if kind == "dataset" {
		return append(c.home.datasetNames(), scenarioNames()...)
	}
	var names []string
	for _, e := range c.registry.List(sdk.Kind(kind)) {
		names = append(names, e.Name)
	}
	return names
}

// Codes lists the error codes a run can fail with.
func (c *catalog) Codes() []string {
	codes := []string{sweeps.CodeError, sweeps.CodePanic, sweeps.CodeTimeout, sweeps.CodeSpec, sweeps.CodeLost, sweeps.CodeDiskFull, string(codeDataDrift)}
	for _, code := range []sdk.Code{
		sdk.CodeBadRequest, sdk.CodeBadShape, sdk.CodeNotFinite, sdk.CodeMessageTooLarge, sdk.CodeProtocol,
		sdk.CodeUnsupported, sdk.CodeInternal, sdk.CodeDeadline, sdk.CodePluginCrash, sdk.CodePluginMemory,
		sdk.CodePluginStart, sdk.CodePluginAltered, sdk.CodePluginUnknown, sdk.CodePluginManifest, sdk.CodeClosed,
	} {
		codes = append(codes, string(code))
	}
	return codes
}

// checkVariants asks the components themselves whether they accept every
// configuration of a plan: some settings exclude each other, or the task.
func (c *catalog) checkVariants(file *sweeps.File, plan *sweeps.Plan) error {
	specs, err := plan.Known()
	if err != nil {
		return err
	}
	type data struct {
		task       causal.Task
		modalities int
	}
	known := map[string]data{}
	seen := map[string]bool{}
	var problems sweeps.Problems
	for _, spec := range specs {
		d, ok := known[spec.Dataset.Name]
		if !ok && spec.Dataset.Generator != "" {
			info, err := c.Generate(spec.Dataset.Name, spec.Dataset.Generator, spec.Dataset.Settings)
			if err != nil {
				return err
			}
			d, ok = data{causal.Task{Kind: info.Task, Classes: info.Classes}, len(info.Modalities)}, true
			known[spec.Dataset.Name] = d
		}
		if !ok {
			store, err := c.home.openDataset(c.ctx, spec.Dataset.Name)
			if err != nil {
				return err
			}
			d = data{causal.Task{Kind: string(store.Task().Kind), Classes: store.Task().Classes}, len(store.Modalities())}
			store.Close()
			known[spec.Dataset.Name] = d
		}
		cfg, err := trainConfig(spec)
		if err == nil {
			err = causal.Compatible(cfg.Missingness, cfg.DualBranch, d.task, d.modalities)
		}
		if err == nil {
			err = cfg.Validate()
		}
		if err == nil && spec.Strategy != nil {
			err = c.combinable(spec)
		}
		if err == nil || seen[spec.Variant+err.Error()] {
			continue
		}
		seen[spec.Variant+err.Error()] = true
		key := []string{"variants", spec.Variant}
		// Components begin their errors with the setting.
		message := strings.TrimPrefix(err.Error(), "variant "+spec.Variant+": ")
		for _, component := range []string{"missingness", "dual_branch"} {
			if strings.HasPrefix(message, component) {
				key = append(key, component)
			}
		}
		problems = append(problems, file.Problem(message, key...))
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}
