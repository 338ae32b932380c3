package sweeps

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/tracker"
)

// Metric is what a sweep is about and how its models are chosen.
type Metric struct {
	Name string `json:"name"` // as written, e.g. val/auroc
	Goal string `json:"goal"` // maximize or minimize, of Name
	// Select is the rule that chooses epochs and trials, on validation rows only.
	Select     string `json:"select"`
	SelectGoal string `json:"select_goal"`
}

// Selection is a parsed rule such as val/auroc, val/auroc@worst(pattern) or
// val/auroc@observed.
type Selection struct {
	Name  string // auroc
	Split string // val
	Worst string // the group whose worst level counts; empty for all rows
	// Observed measures the prediction without the adjustment, in the row's own
	// stratum: validation rows follow the confounded law, and by an adjusted
	// prediction the epoch that adjusts least looks best.
	Observed bool
}

func (s Selection) String() string {
	text := s.Split + "/" + s.Name
	if s.Worst != "" {
		text += "@worst(" + s.Worst + ")"
	}
	if s.Observed {
		text += "@observed"
	}
	return text
}

// Metric returns the tracker's name of the measurement that the rule looks at.
func (s Selection) Metric() tracker.Metric {
	m := tracker.Metric{Name: s.Name, Split: s.Split}
	if s.Worst != "" {
		m.Group = "worst_" + s.Worst
	}
	if s.Observed {
		m.Group = "observed"
	}
	return m
}

// metricGoals are the metrics that are measured on validation rows.
var metricGoals = map[string]string{
	"auroc": "maximize", "auprc": "maximize", "accuracy": "maximize", "balanced_accuracy": "maximize",
	"brier": "minimize", "log_loss": "minimize",
}

// truthGoals are the metrics against the causal truth, which only test rows of
// generated datasets have: a sweep can be about them, and never choose by them.
var truthGoals = map[string]string{"irmse": "minimize", "excess_log_loss": "minimize"}

// needsTruth reports whether the sweep is about a metric against the truth.
func (m Metric) needsTruth() bool {
	s, err := ParseSelection(m.Name)
	return err == nil && truthGoals[s.Name] != ""
}

var selectionPattern = regexp.MustCompile(`^([a-z]+)/([a-z0-9_]+)(?:@worst\(([A-Za-z0-9_.-]+)\)|(@observed))?$`)

// ParseSelection reads a metric as users write it. The error says what to write
// instead.
func ParseSelection(text string) (Selection, error) {
	m := selectionPattern.FindStringSubmatch(text)
	if m == nil {
		return Selection{}, fmt.Errorf("%q is not a metric; write val/auroc, val/auroc@worst(pattern) or val/auroc@observed", text)
	}
	s := Selection{Split: m[1], Name: m[2], Worst: m[3], Observed: m[4] != ""}
	if _, truth := truthGoals[s.Name]; truth {
		if s.Split != "test" || s.Worst != "" || s.Observed {
			return Selection{}, fmt.Errorf("%s needs the causal truth, which test rows of generated data alone have; write name = \"test/%s\" and select by a metric of val", s.Name, s.Name)
		}
		return s, nil
	}
	if _, ok := metricGoals[s.Name]; !ok {
		return Selection{}, fmt.Errorf("%q is not measured%s", s.Name, suggest(s.Name, slices.Collect(maps.Keys(metricGoals))))
	}
	if s.Split != "val" && s.Split != "test" {
		return Selection{}, fmt.Errorf("%q is not a split; write val/%s", s.Split, s.Name)
	}
	if s.Worst != "" && s.Worst != "pattern" {
		return Selection{}, fmt.Errorf("only the worst pattern is measured on validation rows; write %s/%s@worst(pattern)", s.Split, s.Name)
	}
	return s, nil
}

// better reports whether value a beats b under the goal; NaN beats nothing.
func better(goal string, a, b float64) bool {
	if goal == "minimize" {
		return a < b
	}
	return a > b
}

func readMetric(v value) Metric {
	m := Metric{Name: "val/auroc", Goal: "maximize", Select: "val/auroc", SelectGoal: "maximize"}
	if !v.table("name", "goal", "select") {
		if !v.present() {
			v.report(`is missing; write [metric] name = "val/auroc"`)
		}
		return m
	}
	name, rule := v.get("name"), v.get("select")
	if !name.present() {
		name.report(`is missing; write name = "val/auroc"`)
		return m
	}
	s, ok := name.selection()
	if !ok {
		return m
	}
	m.Name, m.Goal = s.String(), cmp.Or(metricGoals[s.Name], truthGoals[s.Name])
	if goal, ok := v.get("goal").choice("maximize", "minimize"); ok && goal != m.Goal {
		v.get("goal").report("is %q, but %s is better when it is %s; remove goal or write %q", goal, s.Name,
			map[string]string{"maximize": "larger", "minimize": "smaller"}[m.Goal], m.Goal)
	}
	from := name
	if rule.present() {
		from = rule
		if s, ok = rule.selection(); !ok {
			return m
		}
	}
	if truthGoals[s.Name] != "" {
		from.report("models must not be chosen on test rows; write select = \"val/log_loss\"")
		return m
	}
	if s.Split != "val" {
		s.Split = "val"
		from.report("models must not be chosen on test rows; write select = %q", s)
	}
	m.Select, m.SelectGoal = s.String(), metricGoals[s.Name]
	return m
}

func (v value) selection() (Selection, bool) {
	text, ok := v.str()
	if !ok {
		return Selection{}, false
	}
	s, err := ParseSelection(strings.TrimSpace(text))
	if err != nil {
		v.report("%s", err)
		return s, false
	}
	return s, true
}
