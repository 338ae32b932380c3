package sweeps

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Generated is a dataset that a program makes, defined in [datasets.NAME]: a
// generator and what it is told, as written. Replicate s makes the dataset of seed
// s, the same in every cell, so that matched seeds are matched data too, and a
// spread over seeds is one over datasets, splits and initialisations at once.
type Generated struct {
	Name, Generator string
	Settings        Settings

	path keyPath
}

// givenSplit is the scheme of a dataset that is made with its parts.
const givenSplit = "given"

// expansionLimit bounds the datasets of one definition.
const expansionLimit = 1000

// readDatasets reads [datasets]. A setting that is a list stands for one dataset
// for each of its elements, and several lists for their product: a factorial study
// in one table.
func readDatasets(v value) map[string][]Generated {
	if !v.anyTable() {
		return nil
	}
	out := map[string][]Generated{}
	for _, name := range v.keys() {
		table := v.get(name)
		if !table.anyTable() {
			continue
		}
		g := Generated{Name: name, Settings: Settings{}, path: table.path}
		generator := table.get("generator")
		if !generator.present() {
			table.report(`has no generator; write generator = "mm_conf"`)
		}
		g.Generator, _ = generator.name()
		out[name] = table.expand(g)
	}
	return out
}

// expand reads the settings of a definition, in alphabetical order. The datasets of
// a list are named by its elements: grid/kappa=0.7, or grid/S2 for a string.
func (v value) expand(g Generated) []Generated {
	all := []Generated{g}
	for _, key := range v.keys() {
		if key == "generator" {
			continue
		}
		setting := v.get(key)
		if _, isList := setting.v.([]any); !isList {
			if x, ok := setting.scalar(); ok {
				for _, g := range all {
					g.Settings[key] = x
				}
			}
			continue
		}
		items, _ := setting.list()
		if len(items) == 0 {
			setting.report("is empty; list at least one value")
			continue
		}
		if len(all)*len(items) > expansionLimit {
			setting.report("makes more than %d datasets; list fewer values", expansionLimit)
			continue
		}
		var next []Generated
		for _, g := range all {
			for _, item := range items {
				x, ok := item.scalar()
				if !ok {
					continue
				}
				made := g
				made.Settings = maps.Clone(g.Settings)
				made.Settings[key] = x
				label := fmt.Sprint(x)
				if _, text := x.(string); !text {
					label = key + "=" + label
				}
				made.Name = g.Name + "/" + label
				if slices.ContainsFunc(next, func(o Generated) bool { return o.Name == made.Name }) {
					item.report("%s is listed twice; remove one", show(x))
					continue
				}
				next = append(next, made)
			}
		}
		if len(next) > 0 {
			all = next
		}
	}
	return all
}

// generate looks up a dataset that the file defines, and reports what is wrong with
// it at the setting it is about; the answer is then empty.
func (c *compiler) generate(g Generated) DatasetInfo {
	if g.Generator == "" {
		return DatasetInfo{} // reported
	}
	catalog, ok := c.catalog.(CatalogWithGenerators)
	if !ok {
		c.doc.report(g.path.child("generator"), "no generators are installed")
		return DatasetInfo{}
	}
	parameters, err := catalog.Generator(g.Generator)
	if err != nil {
		c.doc.report(g.path.child("generator"), "%s", err)
		return DatasetInfo{}
	}
	// Settings that could not be read are reported and not among those of g, so that
	// the others are checked all the same.
	if !c.checkSettings(g.path, g.Settings, parameters) || c.doc.wrong(g.path) {
		return DatasetInfo{}
	}
	info, err := catalog.Generate(g.Name, g.Generator, g.Settings)
	if err != nil {
		key, rest, _ := strings.Cut(err.Error(), " ") // they begin with the setting
		if _, written := g.Settings[key]; written {
			c.doc.report(g.path.child(key), "%s", rest)
		} else {
			c.doc.report(g.path, "%s", err)
		}
		return DatasetInfo{}
	}
	return info
}

// checkGenerated refuses a split where every dataset comes with its own.
func (c *compiler) checkGenerated() {
	split := keyPath{"data", "split"}
	data, _ := c.doc.tree["data"].(map[string]any)
	if _, written := data["split"]; !written || c.doc.wrong(keyPath{"axes"}) {
		return
	}
	for _, name := range c.file.Axes.Dataset {
		if c.datasets[name].Generator == "" {
			return
		}
	}
	c.doc.report(split, "goes with no dataset of the sweep: generated ones are made with their training, validation and test rows; remove it")
}
