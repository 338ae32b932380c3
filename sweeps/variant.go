package sweeps

import "slices"

// Variant is a named debiasing recipe. Settings are as written in the file;
// defaults are filled in by Compile.
type Variant struct {
	Name string
	// Missingness and DualBranch are nil when the component is off.
	Missingness, DualBranch Settings
	// Strategy is empty when there is none.
	Strategy         string
	StrategySettings Settings

	path keyPath
}

// readVariants reads the definitions of the variants on the axis. Others may be
// defined too; they are checked and left out.
func readVariants(v, axes value, used []string) []Variant {
	if !v.present() {
		if len(used) > 0 {
			v.report("is missing; define each variant of the axis, e.g. [variants.%s]", used[0])
		}
		return nil
	}
	if !v.anyTable() {
		return nil
	}
	defined := v.keys()
	variants := map[string]Variant{}
	for _, name := range defined {
		variants[name] = readVariant(name, v.get(name))
	}
	var out []Variant
	items, _ := axes.get("variant").list()
	for _, item := range items {
		name, ok := item.v.(string)
		if !ok || !slices.Contains(used, name) {
			continue // reported with the axis
		}
		variant, ok := variants[name]
		if !ok {
			item.report("variant %q is not defined; add [variants.%s]%s", name, name, suggest(name, defined))
			continue
		}
		if !slices.ContainsFunc(out, func(o Variant) bool { return o.Name == name }) {
			out = append(out, variant)
		}
	}
	return out
}

func readVariant(name string, v value) Variant {
	out := Variant{Name: name, path: v.path}
	if !v.table("missingness", "dual_branch", "strategy", "text") {
		return out
	}
	v.get("text").str()
	out.Missingness = readComponent(v.get("missingness"))
	out.DualBranch = readComponent(v.get("dual_branch"))
	strategy := v.get("strategy")
	if out.Strategy, out.StrategySettings = readPlugin(strategy); out.Strategy == "" && strategy.present() && !strategy.doc.wrong(strategy.path) && !strategy.get("name").present() {
		strategy.report(`has no name; write strategy = { name = "ipw", ... }`)
	}
	return out
}

// readPlugin reads a name, or a table with a name and settings.
func readPlugin(v value) (name string, settings Settings) {
	if _, ok := v.v.(map[string]any); !ok {
		name, _ = v.name()
		return name, nil
	}
	settings = readComponent(v)
	delete(settings, "name")
	if named := v.get("name"); named.present() {
		name, _ = named.name()
	}
	return name, settings
}

// readComponent reads a table of scalars; nil if it is absent.
func readComponent(v value) Settings {
	if !v.present() {
		return nil
	}
	if on, ok := v.v.(bool); ok {
		if on {
			return Settings{}
		}
		return nil
	}
	if _, ok := v.v.(map[string]any); !ok {
		v.wrongType("a table of settings, or true for the defaults")
		return nil
	}
	out := Settings{}
	for _, key := range v.keys() {
		if x, ok := v.get(key).scalar(); ok {
			out[key] = x
		}
	}
	return out
}
