package sweeps

import (
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sweeps/search"
)

// declaration returns what declares a parameter in a cell: its type and bounds.
// ok is false when the parameter does not apply there.
func (c *compiler) declaration(cell Cell, d *Distribution) (Parameter, bool) {
	if d.when != nil {
		if holds, known := d.when.Holds(c.words(cell), nil); known && !holds {
			return Parameter{}, false
		}
	}
	return findParameter(c.declared(cell, d.Section), d.Key)
}

// words is what a condition may say of a cell.
func (c *compiler) words(cell Cell) search.Cell {
	variant := c.variants[cell.Variant]
	return search.Cell{
		Dataset: cell.Dataset, Backbone: cell.Backbone, Variant: cell.Variant, Strategy: variant.Strategy,
		Missingness: variant.Missingness != nil, DualBranch: variant.DualBranch != nil,
	}
}

// declared lists the parameters that a section has in a cell; none if it is off, or
// means nothing to the cell.
func (c *compiler) declared(cell Cell, section string) []Parameter {
	variant := c.variants[cell.Variant]
	if Builtin(section) != nil && c.backbones[cell.Backbone].EndToEnd {
		return nil
	}
	switch section {
	case "backbone":
		return c.backbones[cell.Backbone].Parameters
	case "strategy":
		if variant.Strategy == "" {
			return nil
		}
		return c.strategies[variant.Strategy].Parameters
	case "missingness":
		if variant.Missingness == nil {
			return nil
		}
		return c.catalog.Component(section)
	case "dual_branch":
		if variant.DualBranch == nil {
			return nil
		}
		return c.catalog.Component(section)
	}
	return Builtin(section)
}

// fixed returns the settings that the file gives a section in a cell outside
// [parameters].
func (c *compiler) fixed(cell Cell, section string) Settings {
	variant := c.variants[cell.Variant]
	if Builtin(section) != nil && c.backbones[cell.Backbone].EndToEnd {
		// Its runs do not depend on them; what is looked at afterwards does.
		if level, ok := c.file.Run["diagnostics"]; ok && section == "run" {
			return Settings{"diagnostics": level}
		}
		return nil
	}
	switch section {
	case "strategy":
		return variant.StrategySettings
	case "missingness":
		return variant.Missingness
	case "dual_branch":
		return variant.DualBranch
	case "optimizer":
		return c.file.Optimizer
	case "head":
		return c.file.Head
	case "run":
		return c.file.Run
	}
	return nil
}

// checkParameters reports parameters that nothing declares, that no cell uses,
// whose values do not fit, or that are set twice.
func (c *compiler) checkParameters() {
	cells := c.file.Axes.Cells()
	if len(cells) == 0 {
		return // reported
	}
	for i := range c.file.broken {
		d := &c.file.broken[i]
		if !slices.ContainsFunc(cells, func(cell Cell) bool { _, ok := c.declaration(cell, d); return ok }) {
			c.reportUnused(d, cells)
		}
	}
	for i := range c.file.Parameters {
		d := &c.file.Parameters[i]
		used, twice := false, ""
		var messages []string
		for _, cell := range cells {
			p, ok := c.declaration(cell, d)
			if !ok {
				continue
			}
			used = true
			if message := d.check(p); message != "" && len(messages) == 0 {
				messages = append(messages, message)
			}
			if _, ok := c.fixed(cell, d.Section)[d.Key]; ok && twice == "" {
				twice = cell.Variant
			}
		}
		for _, message := range messages {
			c.doc.report(d.path, "%s", message)
		}
		switch {
		case !used:
			c.reportUnused(d, cells)
		case twice != "" && (d.Section == "optimizer" || d.Section == "head" || d.Section == "run"):
			c.doc.report(d.path, "is also set in [%s]; remove one of the two", d.Section)
		case twice != "":
			c.doc.report(d.path, "is also set in [variants.%s]; remove one of the two, or leave the variant out with when", twice)
		}
	}
}

// reportUnused keeps quiet where a cell that uses the parameter may be among those
// that could not be looked up.
func (c *compiler) reportUnused(d *Distribution, cells []Cell) {
	if message := c.unused(d, cells); !c.undecided(d) || strings.Contains(message, "did you mean") {
		c.doc.report(d.path, "%s", message)
	}
}

// undecided reports whether the cells that would use a parameter may be among
// those that could not be looked up.
func (c *compiler) undecided(d *Distribution) bool {
	axes := keyPath{"axes"}
	switch d.Section {
	case "backbone":
		return c.doc.wrong(axes.child("backbone"))
	case "strategy", "missingness", "dual_branch":
		return c.doc.wrong(axes.child("variant")) || c.doc.wrong(keyPath{"variants"})
	}
	return d.when != nil && c.doc.wrong(axes)
}

// unused says why no cell uses a parameter.
func (c *compiler) unused(d *Distribution, cells []Cell) string {
	var known []string
	declared, on := false, false
	for _, cell := range cells {
		parameters := c.declared(cell, d.Section)
		on = on || parameters != nil
		known = append(known, parameterNames(parameters)...)
		if _, ok := findParameter(parameters, d.Key); ok {
			declared = true
		}
	}
	switch {
	case declared:
		return `applies to no cell: no cell that has it satisfies when = ` + show(d.when.Text)
	case d.Section == "backbone":
		return "no backbone on the axis declares " + show(d.Key) + suggest(d.Key, unique(known))
	case !on && Builtin(d.Section) != nil:
		return "applies to no cell: every backbone on the axis trains by itself, without the host's " + d.Section
	case !on:
		return "no variant on the axis has a " + d.Section + "; remove it or add a variant that does"
	}
	return "unknown setting of " + d.Section + suggest(d.Key, unique(known))
}

func unique(names []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	return out
}

// check says what is wrong with a distribution of the declared parameter, or "".
func (d *Distribution) check(p Parameter) string {
	ends := d.Values
	if d.Kind != "value" && d.Kind != "values" {
		if p.Type == "int" && !d.Whole() {
			return "is a whole number; use int_uniform, or values"
		}
		if p.Type == "bool" || p.Type == "string" {
			return "has no order (" + p.Type + "); use values"
		}
		ends = []any{d.Min, d.Max}
		if p.Type == "int" {
			ends = []any{int64(d.Min), int64(d.Max)}
		}
		if p.Values != nil {
			return "allows only " + showAll(p.Values) + "; use values"
		}
	}
	for _, v := range ends {
		if _, err := p.Check(v); err != nil {
			return err.Error()
		}
	}
	return ""
}

// cell plans one cell. The file has been checked.
func (c *compiler) cell(cell Cell) CellPlan {
	plan := CellPlan{Cell: cell, Searched: c.file.Search != nil}
	template := c.spec(cell)
	config := c.search(cell, template.Epochs)
	if plan.Searched && config.Method == "grid" && config.Space.GridSize() > search.GridLimit {
		c.doc.report(keyPath{"search", "method"}, "grid has more than %d combinations in cell %s; use random", search.GridLimit, cell)
		return plan
	}
	machine, err := search.New(config)
	if err != nil {
		c.once(keyPath{"parameters"}, "%s", err)
		return plan
	}
	actions, err := machine.Handle(search.Event{Kind: search.Start})
	if err != nil {
		c.once(keyPath{"parameters"}, "%s", err)
		return plan
	}
	feasible := machine.Feasible()
	if config.Method == search.Outside { // which is not asked yet
		if feasible, err = drawable(config); err != nil {
			c.once(keyPath{"parameters"}, "%s", err)
			return plan
		}
	}
	if !feasible || machine.Budget() == 0 {
		c.once(keyPath{"constraints"}, "leave no configuration, or hardly any, in cell %s; loosen them", cell)
		return plan
	}
	plan.Budget = machine.Budget()
	for _, a := range actions {
		plan.Trials = append(plan.Trials, Trial{Number: a.Trial, Base: template.with(Settings(a.Point))})
	}
	if plan.Searched && config.Adaptive() {
		plan.Adaptive = &Adaptive{Search: config, Template: template}
	}
	return plan
}

// drawable reports whether random draws find configurations of a search.
func drawable(config search.Config) (bool, error) {
	config.Method, config.Stop = "random", nil
	m, err := search.New(config)
	if err != nil {
		return false, err
	}
	_, err = m.Handle(search.Event{Kind: search.Start})
	return m.Feasible(), err
}

// once reports what is wrong in many cells for the first of them.
func (c *compiler) once(path keyPath, format string, args ...any) {
	if !c.doc.wrong(path) {
		c.doc.report(path, format, args...)
	}
}

// search is the search of a cell. Without one it is a grid of fixed values.
func (c *compiler) search(cell Cell, epochs int) search.Config {
	config := search.Config{Method: "grid", Goal: c.file.Metric.SelectGoal, Epochs: epochs}
	s := c.file.Search
	if s != nil {
		config.Method, config.Trials = s.Method, s.Trials
		if !c.backbones[cell.Backbone].EndToEnd { // it cannot be stopped and go on
			config.Stop = s.Stop
		}
		config.Source.Seed = s.Seed
		for _, e := range s.Constraints {
			config.Space.Constraints = append(config.Space.Constraints, e.Text)
		}
		if s.Method == "tpe" {
			config.Startup, config.Parallel = min(s.Startup, s.Trials), s.Parallel
		}
		if s.Method == search.Outside {
			config.Plugin, config.Parallel = c.sampler, s.Parallel
		}
	}
	config.Source.Cell = []string{cell.Dataset, cell.Backbone, cell.Variant}
	config.Space.Cell = c.words(cell)
	here := map[string]bool{}
	for i := range c.file.Parameters {
		d := &c.file.Parameters[i]
		p, ok := c.declaration(cell, d)
		if !ok {
			continue
		}
		here[d.Name] = true
		dimension := d.Dimension
		dimension.Type = p.Type
		dimension.Values = slices.Clone(d.Values)
		for j, v := range dimension.Values {
			if x, err := p.Check(v); err == nil { // else it was reported
				dimension.Values[j] = x
			}
		}
		if d.when != nil && len(d.when.Parameters) > 0 {
			dimension.When = d.when.Text
		}
		config.Space.Dimensions = append(config.Space.Dimensions, dimension)
	}
	if s != nil {
		for i := range config.Space.Dimensions {
			// One whose leader is not in the cell moves alone.
			if d := &config.Space.Dimensions[i]; here[s.Zip[d.Name]] {
				d.With = s.Zip[d.Name]
			}
		}
	}
	return config
}

// settings returns the complete settings of a section: defaults, overlaid by
// the file. The trial's parameters come on top.
func (c *compiler) settings(cell Cell, section string) Settings {
	out := Settings{}
	fixed, parameters := c.fixed(cell, section), c.declared(cell, section)
	if builtin := Builtin(section); builtin != nil {
		parameters = builtin
	}
	defaults := c.defaults(section, fixed)
	for _, p := range parameters {
		x, ok := fixed[p.Name]
		if !ok {
			x, ok = defaults[p.Name]
		}
		if !ok {
			x = p.Default
		}
		if x == nil {
			continue // no default: the plugin decides
		}
		v, err := p.Check(x)
		if err != nil {
			c.doc.report(keyPath{section, p.Name}, "the declared default: %s; the declaration of the plugin is wrong", err)
			continue
		}
		out[p.Name] = v
	}
	return out
}

// defaults are those of a section that differ beside what the file gives; nil if none
// do.
func (c *compiler) defaults(section string, given Settings) Settings {
	catalog, ok := c.catalog.(CatalogWithDefaults)
	if !ok || (section != "missingness" && section != "dual_branch") {
		return nil
	}
	return catalog.Defaults(section, given)
}

// spec is a run of a cell without a trial's parameters.
func (c *compiler) spec(cell Cell) RunSpec {
	variant := c.variants[cell.Variant]
	dataset, backbone := c.datasets[cell.Dataset], c.backbones[cell.Backbone]
	run := c.settings(cell, "run")
	integer := func(key string) int { n, _ := run.Int(key); return int(n) }
	spec := RunSpec{
		Version: SpecVersion,
		Dataset: DatasetRef{Name: cell.Dataset, Hash: dataset.Hash, Generator: dataset.Generator, Settings: dataset.Settings},
		Backbone: PluginRef{
			Name: cell.Backbone, Version: backbone.Version, Hash: backbone.Hash,
			Settings: c.settings(cell, "backbone"),
		},
		Variant:    cell.Variant,
		Optimizer:  c.settings(cell, "optimizer"),
		Head:       c.settings(cell, "head"),
		Epochs:     integer("epochs"),
		BatchSize:  integer("batch_size"),
		Patience:   integer("patience"),
		Width:      integer("width"),
		Parameters: Settings{},
		Split:      c.file.Data.SplitOf(cell.Dataset),
		Groups:     append([]string{}, c.file.Data.Groups...),
		Shifts:     append([]string{}, c.file.Data.Shifts...),
		Metric:     c.file.Metric,
	}
	if backbone.EndToEnd {
		spec.Epochs = 1 // it trains in one go, however many epochs that is to itself
	}
	if dataset.Generator != "" {
		spec.Split = Split{Scheme: givenSplit, By: "patient"}
	}
	if level, _ := run.String("diagnostics"); level != DiagnosticsStandard {
		spec.Diagnostics = level
	}
	if variant.Missingness != nil {
		spec.Missingness = c.settings(cell, "missingness")
	}
	if variant.DualBranch != nil {
		spec.DualBranch = c.settings(cell, "dual_branch")
	}
	if variant.Strategy != "" {
		info := c.strategies[variant.Strategy]
		spec.Strategy = &PluginRef{
			Name: variant.Strategy, Version: info.Version, Hash: info.Hash,
			Settings: c.settings(cell, "strategy"),
		}
	}
	return spec
}
