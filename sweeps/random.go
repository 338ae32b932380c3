package sweeps

// randomTrials draws every parameter independently.
func randomTrials(search *Search, cell Cell, apply []*Distribution) []Settings {
	out := make([]Settings, search.Trials)
	for trial := range out {
		out[trial] = Settings{}
		for _, d := range apply {
			out[trial][d.Name] = d.At(draw(search.Seed, cell, trial, d.Name))
		}
	}
	return out
}
