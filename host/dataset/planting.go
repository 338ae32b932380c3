package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// plantingVersion is part of every hash: it changes when the same settings and seed
// no longer give the same bits.
const plantingVersion = 1

// Recipes of planted data.
const (
	// PlantMask drops observed modalities of real rows by a mechanism; labels stay
	// real, so that there is no known truth.
	PlantMask = "mask"
	// PlantFlipClass drops one modality from rows of class 1, the MNAR test of
	// MultiModN (Swamy et al., NeurIPS 2023).
	PlantFlipClass = "flip_class"
	// PlantConfounder hides a real variable of complete rows, draws labels that
	// depend on it, and drops modalities by a mechanism. The truth is known.
	PlantConfounder = "confounder"
)

// Mechanisms by which modalities are dropped. P(kept) is σ(a + Strength·s), a such
// that the share Missing of the rows that have the modality lose it, and s a score
// of mean 0 and variance 1 among them: a sum of columns with standard normal weights
// that the dataset seed draws (Muzellec et al., ICML 2020, whose logistic masks these
// are, here for modalities instead of columns).
const (
	// MaskNone drops nothing.
	MaskNone = "none"
	// MaskMCAR: completely at random.
	MaskMCAR = "mcar"
	// MaskMAR: s is of what every row has, the always-observed blocks and the
	// covariates; without them, of three modalities in ten that then stay.
	MaskMAR = "mar"
	// MaskMNAR: s is of three modalities in ten, which are dropped themselves,
	// completely at random.
	MaskMNAR = "mnar"
	// MaskSelf: s is of the modality's own values.
	MaskSelf = "self"
	// MaskQuantile: rows whose own score is among the Quantile largest (Cut upper),
	// smallest (lower), or either (both: half of Quantile at each end), are dropped
	// with probability Missing/Quantile, others never.
	MaskQuantile = "quantile"
	// MaskConfounder: s is the hidden variable.
	MaskConfounder = "confounder"
	// MaskLabel: s is 2y − 1.
	MaskLabel = "label"
)

// Planting says what to plant in the rows of a dataset; see ParsePlanting for
// defaults and for which setting goes with which recipe.
type Planting struct {
	// Base is the name of the dataset with the rows.
	Base string
	// Recipe is PlantMask, PlantFlipClass or PlantConfounder.
	Recipe string
	// Modalities are those that stay, by name; empty means all.
	Modalities []string
	// Modality and Share are of PlantFlipClass.
	Modality string
	Share    float64
	// Hidden is the variable of PlantConfounder: "environment", a subgroup column, a
	// column of a modality or covariate, or "pc:MODALITY", the first principal
	// component of a modality. No row shows it.
	Hidden string
	// Causal are the modalities that the outcome of PlantConfounder depends on;
	// empty means all.
	Causal []string
	// Beta is the effect of the hidden variable, of variance 1, on the log odds.
	Beta float64
	// Prevalence is the mean of the drawn labels; 0 is that of the real ones.
	Prevalence float64
	// Mask is a mechanism, with Missing, Strength, Quantile and Cut.
	Mask                        string
	Missing, Strength, Quantile float64
	Cut                         string
}

// PlantingParameter describes a setting of Planting.
type PlantingParameter struct {
	Name string
	Type string // float or string
	// Default is a float64 or string; nil means that the recipe decides.
	Default any
	// Min and Max bound a number, both included.
	Min, Max float64
	// Values are what a string takes; nil is any.
	Values []string
	Text   string
}

// plantingSetting is a parameter with its place in a Planting.
type plantingSetting struct {
	PlantingParameter
	number *float64
	text   *string
	names  *[]string
	// applies says whether it goes with the rest, only says when.
	applies bool
	only    string
}

func (p *Planting) settings() []plantingSetting {
	confounder, flip := p.Recipe == PlantConfounder, p.Recipe == PlantFlipClass
	masked := !flip && p.Mask != MaskNone
	scored := masked && p.Mask != MaskMCAR && p.Mask != MaskQuantile
	const (
		withMask       = `recipe = "mask" or "confounder"`
		withConfounder = `recipe = "confounder"`
		withFlip       = `recipe = "flip_class"`
		withQuantile   = `mask = "quantile"`
	)
	text := func(name string, to *string, byDefault any, values []string, applies bool, only, about string) plantingSetting {
		return plantingSetting{PlantingParameter: PlantingParameter{Name: name, Type: "string", Default: byDefault, Values: values, Text: about}, text: to, applies: applies, only: only}
	}
	names := func(name string, to *[]string, applies bool, only, about string) plantingSetting {
		return plantingSetting{PlantingParameter: PlantingParameter{Name: name, Type: "string", Default: "", Text: about}, names: to, applies: applies, only: only}
	}
	number := func(name string, to *float64, byDefault, low, high float64, applies bool, only, about string) plantingSetting {
		return plantingSetting{PlantingParameter: PlantingParameter{Name: name, Type: "float", Default: byDefault, Min: low, Max: high, Text: about}, number: to, applies: applies, only: only}
	}
	return []plantingSetting{
		text("base", &p.Base, "", nil, true, "", "dataset whose rows are used"),
		text("recipe", &p.Recipe, PlantMask, []string{PlantMask, PlantFlipClass, PlantConfounder}, true, "", "what is planted"),
		names("modalities", &p.Modalities, true, "", "modalities that stay, with blanks between; empty: all"),
		text("modality", &p.Modality, "", nil, flip, withFlip, "modality that rows of class 1 lose"),
		number("share", &p.Share, .8, 0, 1, flip, withFlip, "share of the rows of class 1 that lose it"),
		text("hidden", &p.Hidden, "", nil, confounder, withConfounder, "environment, a subgroup, a column, or pc:MODALITY"),
		names("causal", &p.Causal, confounder, withConfounder, "modalities that the outcome depends on; empty: all"),
		number("beta", &p.Beta, 1.5, -10, 10, confounder, withConfounder, "effect of the hidden variable on the outcome"),
		number("prevalence", &p.Prevalence, 0, 0, .99, confounder, withConfounder, "mean of the drawn labels; 0: that of the real ones"),
		text("mask", &p.Mask, nil, []string{MaskNone, MaskMCAR, MaskMAR, MaskMNAR, MaskSelf, MaskQuantile, MaskConfounder, MaskLabel}, !flip, withMask, "mechanism by which modalities are dropped"),
		number("missing", &p.Missing, .3, 0, .9, masked, withMask, "share that is dropped, before rows that lose all are drawn again"),
		number("strength", &p.Strength, 1.5, -10, 10, scored, "a mask by a score", "effect of the score on the log odds of being observed"),
		number("quantile", &p.Quantile, .5, .01, 1, masked && p.Mask == MaskQuantile, withQuantile, "share of rows among whom some are dropped"),
		text("cut", &p.Cut, "upper", []string{"upper", "lower", "both"}, masked && p.Mask == MaskQuantile, withQuantile, "which rows these are, by their own score"),
	}
}

// PlantingParameters lists the settings.
func PlantingParameters() []PlantingParameter {
	var out []PlantingParameter
	for _, s := range (&Planting{}).settings() {
		out = append(out, s.PlantingParameter)
	}
	return out
}

// ParsePlanting reads settings by name: float64, int64 or string, lists of names
// with blanks between them. Errors begin with the setting.
func ParsePlanting(settings map[string]any) (Planting, error) {
	p := Planting{}
	known := p.settings()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !slices.ContainsFunc(known, func(s plantingSetting) bool { return s.Name == name }) {
			var names []string
			for _, s := range known {
				names = append(names, s.Name)
			}
			return Planting{}, fmt.Errorf("%s is not a setting of planted data%s", name, didYouMean(name, names))
		}
	}
	for _, s := range known {
		given, written := settings[s.Name]
		if !written {
			given = s.Default
		}
		if err := s.set(given); err != nil {
			return Planting{}, err
		}
	}
	if _, written := settings["mask"]; !written {
		p.Mask = MaskMCAR
		if p.Recipe == PlantConfounder {
			p.Mask = MaskConfounder
		}
	}
	for _, s := range p.settings() {
		if _, written := settings[s.Name]; written && !s.applies {
			return Planting{}, fmt.Errorf("%s goes with %s only; remove it", s.Name, s.only)
		}
	}
	return p, p.check()
}

func (s plantingSetting) set(v any) error {
	if s.number != nil {
		switch x := v.(type) {
		case float64:
			*s.number = x
		case int64:
			*s.number = float64(x)
		default:
			return fmt.Errorf("%s is %v, it takes a number", s.Name, v)
		}
		if !(*s.number >= s.Min && *s.number <= s.Max) {
			return fmt.Errorf("%s is %v, it must lie between %v and %v", s.Name, v, s.Min, s.Max)
		}
		return nil
	}
	if v == nil {
		return nil
	}
	text, ok := v.(string)
	if !ok || s.Values != nil && !slices.Contains(s.Values, text) {
		return fmt.Errorf("%s is %v, it is one of %s%s", s.Name, v, strings.Join(s.Values, ", "), didYouMean(text, s.Values))
	}
	if s.names != nil {
		*s.names = strings.Fields(text)
		return nil
	}
	*s.text = text
	return nil
}

// check reports settings that exclude each other.
func (p Planting) check() error {
	switch {
	case p.Base == "":
		return fmt.Errorf("base is missing; name the dataset whose rows are used")
	case p.Recipe == PlantFlipClass && p.Modality == "":
		return fmt.Errorf("modality is missing; name the one that rows of class 1 lose")
	case p.Recipe == PlantConfounder && p.Hidden == "":
		return fmt.Errorf(`hidden is missing; name the variable to hide: "environment", a subgroup, a column, or "pc:MODALITY"`)
	case p.Recipe == PlantMask && (p.Mask == MaskNone || p.Mask == MaskConfounder):
		return fmt.Errorf(`mask is %q, which goes with recipe = "confounder" only`, p.Mask)
	case p.Recipe != PlantFlipClass && p.Mask == MaskQuantile && p.Missing > p.Quantile:
		return fmt.Errorf("missing is %v, more than the quantile of %v from which rows are dropped", p.Missing, p.Quantile)
	case p.Prevalence != 0 && p.Prevalence < .01:
		return fmt.Errorf("prevalence is %v, it must lie between 0.01 and 0.99, or be 0", p.Prevalence)
	}
	return nil
}

// Settings are those that apply, by name, with all defaults filled in:
// ParsePlanting reads them back.
func (p Planting) Settings() map[string]any {
	out := map[string]any{}
	for _, s := range p.settings() {
		switch {
		case !s.applies:
		case s.number != nil:
			out[s.Name] = *s.number
		case s.names != nil:
			out[s.Name] = strings.Join(*s.names, " ")
		default:
			out[s.Name] = *s.text
		}
	}
	return out
}

// HasTruth reports whether P(Y = 1 | do(x)) of the test rows is known.
func (p Planting) HasTruth() bool { return p.Recipe == PlantConfounder }

// Tests names the shifted test sets, each of the same patients as the test rows:
//
//	clean  nothing is dropped
//	do     masks drawn from the training patterns, independent of everything; with a
//	       planted confounder also labels drawn with another row's hidden value
//	flip   the planted association reversed: rows of class 0 lose the modality, the
//	       score has the opposite effect, or the confounder has on the outcome
//
// A mask that has no direction has no flip.
func (p Planting) Tests() []string {
	if p.Recipe == PlantMask && (p.Mask == MaskMCAR || p.Mask == MaskQuantile && p.Cut == "both") {
		return []string{"clean", ShiftDo}
	}
	return []string{"clean", ShiftDo, ShiftFlip}
}

// Hash identifies what is planted in a dataset with the given content, apart from
// the seed.
func (p Planting) Hash(base string) string {
	text, err := json.Marshal(p.Settings())
	if err != nil {
		panic("dataset: settings are plain values: " + err.Error())
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "planted %d\n%s\n%s\n", plantingVersion, base, text))
	return hex.EncodeToString(sum[:])
}

// DatasetHash identifies the dataset of a seed.
func (p Planting) DatasetHash(base string, seed int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s seed %d\n", p.Hash(base), seed))
	return hex.EncodeToString(sum[:])
}

// mirrored are the settings whose scores have the opposite effect.
func (p Planting) mirrored() Planting {
	p.Strength = -p.Strength
	switch p.Cut {
	case "upper":
		p.Cut = "lower"
	case "lower":
		p.Cut = "upper"
	}
	return p
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// intercept returns a such that the mean of σ(a + z) is the given one, by bisection.
func intercept(z []float64, mean float64) float64 {
	low, high := -50.0, 50.0
	for range 100 {
		a := (low + high) / 2
		sum := 0.0
		for _, x := range z {
			sum += sigmoid(a + x)
		}
		if sum < mean*float64(len(z)) {
			low = a
		} else {
			high = a
		}
	}
	return (low + high) / 2
}
