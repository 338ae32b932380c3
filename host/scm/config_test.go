package scm

import (
	"strings"
	"testing"
)

func TestParse_startsFromTheScenario(t *testing.T) {
	c, err := Parse(map[string]any{"scenario": "S4", "kappa": .35, "modalities": int64(4)})
	if err != nil {
		t.Fatal(err)
	}
	if c.Kappa != .35 || c.Modalities != 4 || c.Omega != .5 || c.GammaU != 1.5 {
		t.Errorf("got %+v", c)
	}
	again, err := Parse(c.Settings())
	if err != nil || again != c {
		t.Errorf("settings give %+v, %v; want %+v", again, err, c)
	}
}

func TestParse_namesTheKnob(t *testing.T) {
	for _, test := range []struct {
		settings map[string]any
		want     string
	}{
		{map[string]any{"kapa": 1.0}, "kapa is not a knob of mm_conf; did you mean kappa?"},
		{map[string]any{"kappa": 1.5}, "kappa is 1.5, it must lie between 0 and 1"},
		{map[string]any{"rows": 100.5}, "rows is 100.5, it takes a whole number"},
		{map[string]any{"outcome": "cubic"}, `outcome is "cubic", it is one of linear, nonlinear`},
		{map[string]any{"outcome": "nonlinear", "modalities": int64(5)}, "outcome is nonlinear: its truth is computed for 2 to 4 modalities, not 5"},
		{map[string]any{"link": "product", "spurious": int64(3)}, "link is product: it needs pairs of spurious columns, not 3 a modality"},
		{map[string]any{"sequences": int64(4)}, "sequences is 4, more than the 3 modalities"},
		{map[string]any{"scenario": "S9"}, "scenario is S9, it is one of S0, S1"},
	} {
		if _, err := Parse(test.settings); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%v: got %v, want %s", test.settings, err, test.want)
		}
	}
}

func TestConfig_everyKnobChangesTheHash(t *testing.T) {
	base := Default()
	seen := map[string]string{base.Hash(): "none"}
	for i, k := range base.knobs() {
		c := Default()
		switch f := c.knobs()[i].field.(type) {
		case *float64:
			*f += .05
		case *int:
			*f++
		case *string:
			*f = k.values[len(k.values)-1]
		}
		if other, twice := seen[c.Hash()]; twice {
			t.Errorf("%s and %s give the same hash", k.name, other)
		}
		seen[c.Hash()] = k.name
	}
	if base.DatasetHash(1) == base.DatasetHash(2) {
		t.Error("two seeds have the same hash")
	}
}
