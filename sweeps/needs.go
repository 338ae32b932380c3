package sweeps

import (
	"slices"

	"github.com/deconfound/deconfound/sweeps/search"
)

// Need is what the runs of a cell have in common: a dataset with the seeds that it
// is split or made with, and plugins.
type Need struct {
	Spec  RunSpec // of some trial; its parameters and seeds say nothing
	Seeds []int   // ascending
	// Sampler is the plugin that proposes the trials; nil if none does.
	Sampler *search.Plugin
}

// Needs lists what a plan's cells need, also of trials that a search has yet to
// choose.
func (p *Plan) Needs() []Need {
	seeds := append([]int{}, p.Seeds...)
	for _, c := range p.Cells {
		if c.Searched {
			seeds = append(seeds, p.SearchSeed)
			break
		}
	}
	slices.Sort(seeds)
	seeds = slices.Compact(seeds)
	var out []Need
	for _, c := range p.Cells {
		switch {
		case c.Adaptive != nil:
			out = append(out, Need{c.Adaptive.Template, seeds, c.Adaptive.Search.Plugin})
		case len(c.Trials) > 0:
			out = append(out, Need{c.Trials[0].Base, seeds, nil})
		}
	}
	return out
}
