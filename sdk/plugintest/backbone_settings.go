package plugintest

import (
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

// largestInteger is the value at which an integer hyperparameter without a
// smaller upper bound is checked: integers are sizes, and a model of the largest
// size may not fit this machine.
const largestInteger = 128

// setting is one hyperparameter at one value.
type setting struct {
	name  string
	value any
}

func (s setting) String() string { return fmt.Sprintf("%s = %v", s.name, s.value) }

// extremes are the values at which a hyperparameter is tried: its bounds, or all
// choices.
func extremes(h sdk.Hyperparameter) []setting {
	var values []any
	switch h.Type {
	case sdk.Bool:
		values = []any{false, true}
	case sdk.String:
		for _, v := range h.Values {
			values = append(values, v)
		}
	case sdk.Float, sdk.Int:
		if h.Min == 0 && h.Max == 0 {
			break
		}
		high := h.Max
		if h.Type == sdk.Int {
			high = min(high, max(largestInteger, h.Min))
		}
		for _, v := range []float64{h.Min, high} {
			if !math.IsInf(v, 0) {
				values = append(values, v)
			}
		}
	}
	var out []setting
	for _, v := range values {
		out = append(out, setting{h.Name, v})
	}
	return out
}

// checkHyperparameters trains a step at the bounds and choices of every
// hyperparameter. Hyperparameters may restrict each other (a number of heads that
// divides a width), so a value counts as working when it works with the usual
// values of the others or with one of them at an extreme.
func (b *backbones) checkHyperparameters(p *probe) {
	works := func(settings ...setting) error {
		req := b.request(p)
		set := map[string]any{}
		for _, s := range settings {
			set[s.name] = s.value
		}
		values, err := b.values(set)
		if err != nil {
			return err
		}
		req.Hyperparameters = values
		req.Optimizer.LearningRate = 1e-3
		s, err := b.tryOpen(req)
		if err != nil {
			return err
		}
		defer func() { _ = s.close() }()
		_, err = s.train(1, 2)
		return err
	}
	p.must(works(), "train a step with the defaults")
	p.notef("%d values tried", tryExtremes(p, b.info.Hyperparameters, works))
}

// tryExtremes tries every extreme and reports those that do not work.
func tryExtremes(p *probe, all []sdk.Hyperparameter, works func(...setting) error) int {
	tried := 0
	for _, h := range all {
		for _, s := range extremes(h) {
			tried++
			err := works(s)
			if sdk.CodeOf(err) == sdk.CodeBadRequest && slices.ContainsFunc(all, func(other sdk.Hyperparameter) bool {
				return other.Name != h.Name && slices.ContainsFunc(extremes(other), func(o setting) bool { return works(s, o) == nil })
			}) {
				err = nil
			}
			if err != nil {
				p.failf("with %v: %s", s, describe(err))
			}
		}
		if h.Type == sdk.Int && h.Max > largestInteger && h.Min < largestInteger && !math.IsInf(h.Max, 0) {
			p.notef("%s was tried up to %d of %v", h.Name, largestInteger, h.Max)
		}
	}
	return tried
}
