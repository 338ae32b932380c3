package train

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk"
)

// counted is a setting of a plugin that counts steps or epochs of training.
type counted struct {
	name  string // section.setting
	unit  sdk.Unit
	value float64
}

// countedSettings are those of a plugin; info may be nil.
func countedSettings(section string, info *sdk.Info, values map[string]any) []counted {
	if info == nil {
		return nil
	}
	var out []counted
	for _, h := range info.Hyperparameters {
		if h.Unit == "" {
			continue
		}
		value, given := values[h.Name]
		if !given {
			value = h.Default
		}
		c := counted{name: section + "." + h.Name, unit: h.Unit}
		switch v := value.(type) {
		case float64:
			c.value = v
		case int64:
			c.value = float64(v)
		case int:
			c.value = float64(v)
		}
		out = append(out, c)
	}
	return out
}

// unreached warns of settings that the training of the tested model did not reach:
// what they delay, such as the full weight of a penalty, had no part in it.
func (r *Run) unreached() []Diagnostic {
	epochs := float64(r.best.Epoch + 1)
	steps := epochs * float64((len(r.data.Split.Train)+r.cfg.BatchSize-1)/r.cfg.BatchSize)
	var out []Diagnostic
	for _, c := range r.counted {
		reached := epochs
		if c.unit == sdk.Steps {
			reached = steps
		}
		if c.value < reached {
			continue
		}
		out = append(out, Diagnostic{
			Name: "schedule/" + c.name, Estimate: reached, Verdict: "warn",
			Detail: map[string]any{"setting": c.value, "unit": string(c.unit), "reason": fmt.Sprintf(
				"the tested model is of epoch %d, after %g %s, and %s is %g: what it delays had no part in it", r.best.Epoch, reached, c.unit, c.name, c.value)},
		})
	}
	return out
}
