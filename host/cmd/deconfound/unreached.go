package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
)

// unreached says which settings of a plan count more steps or epochs of training than
// its runs have, such as an anneal that never lets its penalty in: one line for each
// setting and variant.
func (c *catalog) unreached(plan *sweeps.Plan) ([]string, error) {
	specs, err := plan.Known()
	if err != nil {
		return nil, err
	}
	rows := map[string]int{}
	seen := map[string]bool{}
	var out []string
	add := func(spec sweeps.RunSpec, key string, value, reached float64, unit, what string) {
		if value < reached || seen[spec.Variant+key] {
			return
		}
		seen[spec.Variant+key] = true
		out = append(out, fmt.Sprintf("variant %s: %s = %g %s, and a run on %s has %g; %s", spec.Variant, key, value, unit, spec.Dataset.Name, reached, what))
	}
	for _, spec := range specs {
		train, ok := rows[spec.Dataset.Name]
		if !ok {
			if train, err = c.trainingRows(spec); err != nil {
				return nil, err
			}
			rows[spec.Dataset.Name] = train
		}
		reached := map[sdk.Unit]float64{
			sdk.Epochs: float64(spec.Epochs),
			sdk.Steps:  float64(spec.Epochs * ((train + spec.BatchSize - 1) / spec.BatchSize)),
		}
		for _, ref := range []struct {
			kind sdk.Kind
			*sweeps.PluginRef
		}{{sdk.KindBackbone, &spec.Backbone}, {sdk.KindStrategy, spec.Strategy}} {
			if ref.PluginRef == nil {
				continue
			}
			p, err := findPlugin(c.ctx, c.registry, c.pool, ref.kind, ref.Name)
			if err != nil {
				return nil, err
			}
			for _, h := range p.info.Hyperparameters {
				value, ok := ref.Settings.Float(h.Name)
				if whole, isInt := ref.Settings.Int(h.Name); isInt {
					value, ok = float64(whole), true
				}
				if ok && h.Unit != "" {
					add(spec, string(ref.kind)+"."+h.Name, value, reached[h.Unit], string(h.Unit), "what it delays never begins")
				}
			}
		}
		if warmup, ok := spec.Missingness.Int("warmup"); ok && warmup > int64(spec.Epochs/3) {
			add(spec, "missingness.warmup", float64(warmup), float64(spec.Epochs), "epochs", "it takes a third of them")
		}
	}
	return out, nil
}

// trainingRows is the number of training rows of a run; of a generated dataset about
// that many.
func (c *catalog) trainingRows(spec sweeps.RunSpec) (int, error) {
	if spec.Dataset.Generator != "" {
		info, err := c.Generate(spec.Dataset.Name, spec.Dataset.Generator, spec.Dataset.Settings)
		if err != nil {
			return 0, err
		}
		share := 1.0
		if len(spec.Split.Fractions) > 0 {
			share = spec.Split.Fractions[0]
		}
		return int(share * float64(info.Rows)), nil
	}
	store, err := c.home.openDataset(c.ctx, spec.Dataset.Name)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	split, err := store.Split(splitSpec(spec.Split), spec.SplitSeed)
	if err != nil {
		return 0, fmt.Errorf("split dataset %s: %w", store.Name(), err)
	}
	return len(split.Train), nil
}

// warnings are what can be said of a plan before anything is trained.
func (a *app) warnings(ctx context.Context, plan *sweeps.Plan) ([]string, error) {
	c, err := a.catalog(ctx)
	if err != nil {
		return nil, err
	}
	unreached, err := c.unreached(plan)
	return append(registeredInVain(plan), unreached...), err
}

// warn prints warnings on the error stream.
func (a *app) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(a.errs, "Warning: %s.\n", strings.TrimSuffix(w, "."))
	}
}
