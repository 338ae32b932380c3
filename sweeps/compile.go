package sweeps

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sweeps/search"
)

// Compile checks a file against what is installed and returns the plan. The
// error is Problems when the file asks for something that does not exist or is
// out of range; those that Load found in the file are among them.
func Compile(f *File, catalog Catalog) (*Plan, error) {
	c := &compiler{
		file:       f,
		doc:        &document{file: f.Path, at: f.doc.at, tree: f.doc.tree, problems: slices.Clone(f.doc.problems)},
		catalog:    catalog,
		datasets:   map[string]DatasetInfo{},
		backbones:  map[string]PluginInfo{},
		strategies: map[string]PluginInfo{},
		variants:   map[string]Variant{},
	}
	c.lookUp()
	c.checkData()
	c.checkVariants()
	c.checkEndToEnd()
	c.checkParameters()
	c.checkCodes()
	c.checkSampler()
	if err := c.doc.problems.err(); err != nil {
		return nil, err
	}

	p := &Plan{
		Name: f.Name, Seeds: f.Seeds, Metric: f.Metric, Analysis: f.Analysis,
		Retry: f.Retry, Slice: f.Slice, Budget: f.Budget, Requires: f.Requires, Contract: Contract, File: f,
	}
	if f.Search != nil {
		p.SearchSeed = f.Search.Seed
	}
	for _, cell := range f.Axes.Cells() {
		p.Cells = append(p.Cells, c.cell(cell))
	}
	if err := c.doc.problems.err(); err != nil {
		return nil, err
	}
	var err error
	if p.AnalysisHash, err = (registration{p.Analysis, p.Metric}).hash(); err != nil {
		return nil, err
	}
	if p.Hash, err = p.hash(); err != nil {
		return nil, err
	}
	return p, nil
}

// hash covers the hashes of all runs the plan can ask for, or how an adaptive
// search finds them.
func (p *Plan) hash() (Hash, error) {
	h := sha256.New()
	head, err := json.Marshal([]any{p.Name, p.SearchSeed, p.Seeds, p.AnalysisHash})
	if err != nil {
		return Hash{}, fmt.Errorf("hash plan: %w", err)
	}
	h.Write(head)
	for _, cell := range p.Cells {
		if cell.Adaptive != nil {
			text, err := json.Marshal(cell.Adaptive)
			if err != nil {
				return Hash{}, fmt.Errorf("hash plan: %w", err)
			}
			h.Write(text)
		}
		for _, t := range cell.Trials {
			run, err := t.run(PhaseSearch, p.SearchSeed).Hash()
			if err != nil {
				return Hash{}, err
			}
			h.Write(run[:])
		}
	}
	return Hash(h.Sum(nil)), nil
}

type compiler struct {
	file       *File
	doc        *document
	catalog    Catalog
	datasets   map[string]DatasetInfo
	backbones  map[string]PluginInfo
	strategies map[string]PluginInfo
	variants   map[string]Variant
	sampler    *search.Plugin // nil: the search needs none, or it was reported
}

func (c *compiler) names(kind string) []string {
	var names []string
	if named, ok := c.catalog.(CatalogWithNames); ok {
		names = named.Names(kind)
	}
	if kind == "dataset" {
		names = append(slices.Clone(names), slices.Sorted(maps.Keys(c.file.Generated))...)
	}
	return names
}

// missing says why a name cannot be used, and what may have been meant unless the
// reason says so itself or the name is right.
func (c *compiler) missing(kind, name string, reason error) string {
	text, known := reason.Error(), c.names(kind)
	if strings.Contains(text, "did you mean") || slices.Contains(known, name) {
		return text
	}
	return text + suggest(name, known)
}

func (c *compiler) lookUp() {
	axes := keyPath{"axes"}
	for _, name := range c.file.Axes.Dataset {
		if g, ok := c.file.Generated[name]; ok {
			c.datasets[name] = c.generate(g)
			continue
		}
		info, err := c.catalog.Dataset(name)
		if err != nil {
			c.doc.report(c.doc.item(axes.child("dataset"), name), "%s", c.missing("dataset", name, err))
		}
		c.datasets[name] = info
	}
	for _, name := range slices.Sorted(maps.Keys(c.file.Generated)) {
		if _, used := c.datasets[name]; !used {
			c.generate(c.file.Generated[name]) // reports what is wrong, also where it is not used yet
		}
	}
	for _, name := range c.file.Axes.Backbone {
		info, err := c.catalog.Backbone(name)
		if err != nil {
			c.doc.report(c.doc.item(axes.child("backbone"), name), "%s", c.missing("backbone", name, err))
		}
		c.backbones[name] = info
	}
	for _, v := range c.file.Variants {
		c.variants[v.Name] = v
		if v.Strategy == "" {
			continue
		}
		info, err := c.catalog.Strategy(v.Strategy)
		if err != nil {
			c.doc.report(v.path.child("strategy"), "%s", c.missing("strategy", v.Strategy, err))
		}
		c.strategies[v.Strategy] = info
	}
}

func (c *compiler) checkData() {
	c.checkGenerated()
	data := keyPath{"data"}
	for _, name := range slices.Sorted(maps.Keys(c.file.Data.Sides)) {
		if !slices.Contains(c.file.Axes.Dataset, name) {
			for _, key := range []string{"source", "target"} {
				if path := (keyPath{"data", "split", key, name}); c.doc.written(path) {
					c.doc.report(path, "is not on the axis dataset%s", suggest(name, c.file.Axes.Dataset))
				}
			}
		}
	}
	for _, dataset := range c.file.Axes.Dataset {
		info := c.datasets[dataset]
		if info.Name == "" {
			continue // unknown, reported
		}
		if !info.Truth && c.file.Metric.needsTruth() {
			c.doc.report(keyPath{"metric", "name"}, "needs the causal truth, which dataset %s does not have; those of mm_conf do, and those with a planted confounder", dataset)
		}
		for _, group := range c.file.Data.Groups {
			known := append(slices.Clone(info.Groups), "pattern")
			if !slices.Contains(known, group) {
				c.doc.report(c.doc.item(data.child("groups"), group), "dataset %s has no subgroup column %q%s", dataset, group, suggest(group, known))
			}
		}
		for _, shift := range c.file.Data.Shifts {
			kind, _, _ := strings.Cut(shift, ":")
			if info.Shifts != nil && !slices.Contains(info.Shifts, kind) && !slices.Contains(info.Shifts, shift) {
				if info.Generator != "" {
					kind = shift
				}
				c.doc.report(c.doc.item(data.child("shifts"), shift), "dataset %s has no shifted test %q%s", dataset, kind, suggest(kind, info.Shifts))
			}
		}
	}
}

func (c *compiler) checkVariants() {
	for _, v := range c.file.Variants {
		c.checkSettings(v.path.child("missingness"), v.Missingness, c.catalog.Component("missingness"))
		c.checkSettings(v.path.child("dual_branch"), v.DualBranch, c.catalog.Component("dual_branch"))
		if info, ok := c.strategies[v.Strategy]; ok && info.Name != "" {
			c.checkSettings(v.path.child("strategy"), v.StrategySettings, info.Parameters)
		}
		c.checkComponents(v)
	}
}

// checkEndToEnd refuses cells whose variant needs the representation of a backbone
// that has none.
func (c *compiler) checkEndToEnd() {
	needs := map[string][]string{}
	for _, cell := range c.file.Axes.Cells() {
		v := c.variants[cell.Variant]
		if c.backbones[cell.Backbone].EndToEnd && (v.Missingness != nil || v.DualBranch != nil || v.Strategy != "") && !slices.Contains(needs[cell.Backbone], v.Name) {
			needs[cell.Backbone] = append(needs[cell.Backbone], v.Name)
		}
	}
	for _, backbone := range slices.Sorted(maps.Keys(needs)) {
		var exclude []string
		for _, variant := range needs[backbone] {
			exclude = append(exclude, fmt.Sprintf("{ backbone = %q, variant = %q }", backbone, variant))
		}
		c.doc.report(c.doc.item(keyPath{"axes", "backbone"}, backbone),
			"%s trains and predicts by itself and hands out no representation, which missingness, dual_branch and strategies need; leave those cells out: exclude = [%s]",
			backbone, strings.Join(exclude, ", "))
	}
}

// checkComponents asks the components whether the fixed settings of a variant go
// together and with the tasks. Where a setting is sampled, only the trials tell.
func (c *compiler) checkComponents(v Variant) {
	components, ok := c.catalog.(CatalogWithComponents)
	sampled := func(section string) bool {
		in := func(d Distribution) bool { return d.Section == section }
		return slices.ContainsFunc(c.file.Parameters, in) || slices.ContainsFunc(c.file.broken, in)
	}
	if !ok || c.doc.wrong(v.path) || v.Missingness != nil && sampled("missingness") || v.DualBranch != nil && sampled("dual_branch") {
		return
	}
	fixed := func(settings Settings, section string) Settings {
		if settings == nil {
			return nil
		}
		out := Settings{}
		for _, p := range c.catalog.Component(section) {
			if p.Default != nil { // else it is empty unless given
				out[p.Name] = p.Default
			}
		}
		maps.Copy(out, c.defaults(section, settings))
		maps.Copy(out, settings)
		return out
	}
	for _, name := range c.file.Axes.Dataset {
		info := c.datasets[name]
		if info.Name == "" {
			continue
		}
		if err := components.Components(info, fixed(v.Missingness, "missingness"), fixed(v.DualBranch, "dual_branch")); err != nil {
			path := v.path
			for _, component := range []string{"missingness", "dual_branch"} {
				if strings.HasPrefix(err.Error(), component) { // they begin with the setting
					path = path.child(component)
				}
			}
			c.doc.report(path, "%s", err)
			return
		}
	}
}

// checkSettings reports what is not declared or out of its bounds.
func (c *compiler) checkSettings(path keyPath, settings Settings, parameters []Parameter) (sound bool) {
	sound = true
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		p, ok := findParameter(parameters, key)
		if !ok {
			c.doc.report(path.child(key), "unknown setting%s", suggest(key, parameterNames(parameters)))
			sound = false
			continue
		}
		if _, err := p.Check(settings[key]); err != nil {
			c.doc.report(path.child(key), "%s", err)
			sound = false
		}
	}
	return sound
}

// checkSampler looks up the plugin of the search and completes its settings.
func (c *compiler) checkSampler() {
	s := c.file.Search
	if s == nil || s.Method != search.Outside || s.Plugin == "" {
		return
	}
	path := keyPath{"search", "plugin"}
	named := path
	if c.doc.written(path.child("name")) {
		named = path.child("name")
	}
	samplers, ok := c.catalog.(CatalogWithSamplers)
	if !ok {
		c.doc.report(named, "there are no samplers here")
		return
	}
	info, err := samplers.Sampler(s.Plugin)
	if err != nil {
		c.doc.report(named, "%s", c.missing("sampler", s.Plugin, err))
		return
	}
	if !c.checkSettings(path, s.PluginSettings, info.Parameters) {
		return
	}
	c.sampler = &search.Plugin{Name: info.Name, Version: info.Version, Hash: info.Hash, Settings: map[string]any{}}
	for _, p := range info.Parameters {
		x, ok := s.PluginSettings[p.Name]
		if !ok {
			x = p.Default
		}
		v, err := p.Check(x)
		if err != nil {
			c.doc.report(path, "the declared default of %s: %s; the declaration of the plugin is wrong", p.Name, err)
			continue
		}
		c.sampler.Settings[p.Name] = v
	}
}

func (c *compiler) checkCodes() {
	coded, ok := c.catalog.(CatalogWithCodes)
	if !ok {
		return
	}
	known := coded.Codes()
	for _, code := range c.file.Retry.On {
		if !slices.Contains(known, code) {
			c.doc.report(c.doc.item(keyPath{"run", "retry", "on"}, code), "no run fails with %q%s", code, suggest(code, known))
		}
	}
}

func findParameter(parameters []Parameter, name string) (Parameter, bool) {
	i := slices.IndexFunc(parameters, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return parameters[i], true
}

func parameterNames(parameters []Parameter) []string {
	names := make([]string, len(parameters))
	for i, p := range parameters {
		names[i] = p.Name
	}
	return names
}
