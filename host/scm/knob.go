package scm

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// Parameter describes a knob to those who set it by name.
type Parameter struct {
	Name string
	Type string // float, int or string
	// Default is a float64, int64 or string, by Type.
	Default any
	// Min and Max bound a number, both included.
	Min, Max float64
	// Values are what a string takes.
	Values []string
	Text   string
}

// Parameters lists the knobs; scenario sets several of them at once, and those
// given beside it are changed from there.
func Parameters() []Parameter {
	c := Default()
	list := []Parameter{{
		Name: "scenario", Type: "string", Default: "S0", Values: Scenarios(), Text: "named setting of the knobs, from where the others start",
	}}
	for _, k := range c.knobs() {
		p := Parameter{Name: k.name, Min: k.min, Max: k.max, Values: k.values, Text: k.text}
		p.Type, p.Default = k.value()
		list = append(list, p)
	}
	return list
}

// Settings are the knobs by name: float64, int64 or string. Parse reads them
// back.
func (c Config) Settings() map[string]any {
	out := map[string]any{}
	for _, k := range c.knobs() {
		_, out[k.name] = k.value()
	}
	return out
}

// Parse makes a valid configuration of knobs by name, with the defaults of the
// scenario for the rest. Errors begin with the name of the knob.
func Parse(settings map[string]any) (Config, error) {
	c := Default()
	if name, ok := settings["scenario"]; ok {
		text, _ := name.(string)
		scenario, known := Scenario(text)
		if !known {
			return Config{}, fmt.Errorf("scenario is %v, it is one of %s", name, strings.Join(Scenarios(), ", "))
		}
		c = scenario
	}
	knobs := c.knobs()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if name == "scenario" {
			continue
		}
		i := slices.IndexFunc(knobs, func(k knob) bool { return k.name == name })
		if i < 0 {
			return Config{}, fmt.Errorf("%s is not a knob of mm_conf%s", name, didYouMean(name))
		}
		if err := knobs[i].set(settings[name]); err != nil {
			return Config{}, err
		}
	}
	return c, c.Validate()
}

func didYouMean(name string) string {
	var names []string
	for _, p := range Parameters() {
		names = append(names, p.Name)
	}
	if near := sdk.Nearest(name, names); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}

// knob points at a field of a Config.
type knob struct {
	name     string
	field    any // *float64, *int or *string
	min, max float64
	values   []string
	text     string
}

func (c *Config) knobs() []knob {
	const rows = 10_000_000
	return []knob{
		{"modalities", &c.Modalities, 1, 8, nil, "number of modalities"},
		{"causal", &c.Causal, 1, 64, nil, "causal columns of a modality"},
		{"spurious", &c.Spurious, 0, 64, nil, "spurious columns of a modality"},
		{"noise", &c.Noise, 0, 64, nil, "noise columns of a modality"},
		{"kappa", &c.Kappa, 0, 1, nil, "strength of U in the spurious columns"},
		{"omega", &c.Omega, 0, 10, nil, "strength of U in the causal columns"},
		{"beta", &c.Beta, -10, 10, nil, "effect of U on the outcome"},
		{"beta_w", &c.BetaW, -10, 10, nil, "effect of the observed covariate W on the outcome"},
		{"gamma_u", &c.GammaU, -10, 10, nil, "effect of U on availability: not at random, through the confounder"},
		{"gamma_w", &c.GammaW, -10, 10, nil, "effect of W on availability: at random"},
		{"gamma_x", &c.GammaX, -10, 10, nil, "effect of a modality's causal columns on its availability: self-masking"},
		{"gamma_y", &c.GammaY, -10, 10, nil, "effect of the label on availability"},
		{"missing", &c.Missing, 0, .9, nil, "share of missing modalities, before rows that miss all are drawn again"},
		{"prevalence", &c.Prevalence, .01, .99, nil, "mean of the label"},
		{"outcome", &c.Outcome, 0, 0, []string{Linear, Nonlinear}, "shape of the causal effect"},
		{"link", &c.Link, 0, 0, []string{Linear, Product}, "how U moves the spurious columns: linear, or product, where no single column tells of U and the product of two does"},
		{"mixing", &c.Mixing, 0, 0, []string{None, Orthogonal, Warp}, "what is done to the columns of a modality"},
		{"sequences", &c.Sequences, 0, 8, nil, "how many of the modalities, the last ones, are sequences"},
		{"length", &c.Length, 2, 256, nil, "most steps of a sequence"},
		{"rows", &c.Rows, 50, rows, nil, "training rows"},
		{"validation_rows", &c.ValidationRows, 50, rows, nil, "validation rows"},
		{"test_rows", &c.TestRows, 50, rows, nil, "rows of each test set"},
	}
}

// value is the type and the value of a knob.
func (k knob) value() (kind string, value any) {
	switch f := k.field.(type) {
	case *float64:
		return "float", *f
	case *int:
		return "int", int64(*f)
	case *string:
		return "string", *f
	}
	return "", nil
}

func (k knob) set(v any) error {
	number, isNumber := asFloat(v)
	switch f := k.field.(type) {
	case *float64:
		if !isNumber {
			return fmt.Errorf("%s is %v, it takes a number", k.name, v)
		}
		*f = number
	case *int:
		if !isNumber || number != math.Trunc(number) || math.Abs(number) > math.MaxInt32 {
			return fmt.Errorf("%s is %v, it takes a whole number", k.name, v)
		}
		*f = int(number)
	case *string:
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("%s is %v, it is one of %s", k.name, v, strings.Join(k.values, ", "))
		}
		*f = text
	}
	return k.check()
}

func (k knob) check() error {
	_, value := k.value()
	if k.values != nil {
		if text, ok := value.(string); !ok || !slices.Contains(k.values, text) {
			return fmt.Errorf("%s is %q, it is one of %s", k.name, value, strings.Join(k.values, ", "))
		}
		return nil
	}
	if f, _ := asFloat(value); !(f >= k.min && f <= k.max) {
		return fmt.Errorf("%s is %v, it must lie between %v and %v", k.name, value, k.min, k.max)
	}
	return nil
}

func asFloat(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case int64:
		return float64(x), true
	case int:
		return float64(x), true
	}
	return 0, false
}
