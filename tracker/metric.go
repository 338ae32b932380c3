package tracker

import "strings"

// Metric names one measured quantity. The zero value of Split, Group and Level
// is "not applicable".
type Metric struct {
	Name  string // auroc, log_loss, loss ...
	Split string // train, val, test, or the name of a shifted test set
	Group string // subgroup column: sex, pattern ...
	Level string // level of that column
}

// String writes the metric as split/name@group=level.
func (m Metric) String() string {
	var b strings.Builder
	if m.Split != "" {
		b.WriteString(m.Split + "/")
	}
	b.WriteString(m.Name)
	if m.Group != "" {
		b.WriteString("@" + m.Group)
		if m.Level != "" {
			b.WriteString("=" + m.Level)
		}
	}
	return b.String()
}

func (m Metric) compare(o Metric) int {
	if c := strings.Compare(m.Name, o.Name); c != 0 {
		return c
	}
	if c := strings.Compare(m.Split, o.Split); c != 0 {
		return c
	}
	if c := strings.Compare(m.Group, o.Group); c != 0 {
		return c
	}
	return strings.Compare(m.Level, o.Level)
}

// goals of the metrics whose direction is known by their name; the views rank
// by it. Others are stored without a goal.
var goals = map[string]string{
	"auroc": "maximize", "auprc": "maximize", "accuracy": "maximize", "f1": "maximize",
	"balanced_accuracy": "maximize", "sensitivity": "maximize", "specificity": "maximize",
	"brier": "minimize", "ece": "minimize", "ece_mass": "minimize", "log_loss": "minimize", "loss": "minimize",
	"brier_reliability": "minimize", "brier_resolution": "maximize",
	"cross_entropy": "minimize", "nll": "minimize", "irmse": "minimize", "excess_log_loss": "minimize",
}

func goalOf(name string) *string {
	if g, ok := goals[name]; ok {
		return &g
	}
	return nil
}
