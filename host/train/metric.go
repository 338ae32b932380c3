package train

import (
	"fmt"
	"strings"
)

// Metric names one number with its dimensions, so that a subgroup is a row to
// join and never a string to parse: ("auroc", "test", "pattern", "base+lipid").
type Metric struct {
	// Name is the quantity: auroc, auprc, brier, log_loss, ece, n, events, loss.
	Name string
	// Split is where it was measured: train, val, test, or the name of a
	// shifted test set.
	Split string
	// Group and Level are a subgroup column and its value; both are empty for
	// all rows together. The level of Group "worst_pattern" is empty: it is the
	// worst of the patterns with enough events.
	Group, Level string
}

// Values is a set of measurements of one epoch or of one finished run.
type Values map[Metric]float64

// Selection is the rule that ranks epochs (and, in a sweep, trials).
type Selection struct {
	// Name is a metric of Evaluate, e.g. "auroc".
	Name string
	// Worst names the group whose worst level counts ("pattern"), or is empty
	// for all validation rows together.
	Worst string
	// Observed takes the predictions without the adjustment, each row in its own
	// stratum, as validation rows came about. By the adjusted ones the epoch that
	// adjusts least looks best, for the rows are confounded.
	Observed bool
	// Maximize says whether larger is better.
	Maximize bool
}

func (s Selection) validate() error {
	switch s.Name {
	case "auroc", "auprc", "brier", "log_loss", "accuracy", "balanced_accuracy":
	default:
		return fmt.Errorf("metric.select names %q, which is not measured on validation rows", s.Name)
	}
	if s.Worst != "" && s.Worst != "pattern" {
		return fmt.Errorf("metric.select asks for the worst %q; only the worst pattern is known on validation rows", s.Worst)
	}
	if s.Worst != "" && s.Observed {
		return fmt.Errorf("metric.select asks for the worst pattern of observed predictions, which is not measured")
	}
	return nil
}

// observedGroup is the group of validation metrics of the predictions without the
// adjustment.
const observedGroup = "observed"

// Metric returns the validation metric that the rule looks at.
func (s Selection) Metric() Metric {
	m := Metric{Name: s.Name, Split: "val"}
	if s.Worst != "" {
		m.Group = "worst_" + s.Worst
	}
	if s.Observed {
		m.Group = observedGroup
	}
	return m
}

// better reports whether a beats b; NaN never beats anything.
func (s Selection) better(a, b float64) bool {
	if a != a {
		return false
	}
	if b != b {
		return true
	}
	if s.Maximize {
		return a > b
	}
	return a < b
}

// label is the metric as users write it, e.g. val/auroc@worst(pattern).
func (m Metric) label() string {
	s := m.Split + "/" + m.Name
	if group, ok := strings.CutPrefix(m.Group, "worst_"); ok {
		s += "@worst(" + group + ")"
	}
	if m.Group == observedGroup {
		s += "@observed"
	}
	return s
}
