package causal

import (
	"testing"
)

// A declared confounder is contradicted where values hide themselves or the label
// drives availability, and where it is true it is not, whatever it moves.
func TestExamine_contradictsTheWrongMechanism(t *testing.T) {
	const seeds, rows = 4, 6000
	for scenario, verdicts := range map[string]map[string]string{ // by declared mechanism
		"S0": {MechanismConfounder: ""},
		"S2": {MechanismConfounder: VerdictOK, MechanismLabel: VerdictWarn},
		"S4": {MechanismConfounder: VerdictOK, MechanismLabel: VerdictWarn},
		"S6": {MechanismLabel: VerdictOK},
		"S7": {MechanismConfounder: VerdictWarn, MechanismLabel: VerdictWarn, MechanismSelf: ""},
	} {
		found := map[string]map[string]int{}
		for seed := range uint64(seeds) {
			train, _, _ := draw(t, scenarioOf(t, scenario), 1+seed, rows, 1)
			for mechanism := range verdicts {
				var parts []*Separation
				branch := &DualBranch{Split: SplitAvailability, Mechanism: mechanism, Form: FormLinear}
				for _, p := range separate(t, branch, train, seed) {
					parts = append(parts, p.Separation)
				}
				e := Examine(branch, parts)
				if found[mechanism] == nil {
					found[mechanism] = map[string]int{}
				}
				found[mechanism][e.Verdict]++
				if e.Reason == "" {
					t.Errorf("%s declared %s: no reason", scenario, mechanism)
				}
			}
		}
		for mechanism, want := range verdicts {
			if got := found[mechanism]; got[want] != seeds {
				t.Errorf("%s declared %s: verdicts %v in %d seeds, want %q", scenario, mechanism, got, seeds, want)
			}
		}
	}
}
