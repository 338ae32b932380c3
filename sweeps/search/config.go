package search

import (
	"fmt"
	"slices"
)

// Methods are the samplers.
var Methods = []string{"random", "grid", "sobol", "tpe", Outside}

// Config is all that decides what a machine does. It is a value that can be
// stored as JSON.
type Config struct {
	Method string `json:"method"` // one of Methods
	Trials int    `json:"trials"` // a grid has as many as its product
	Source Source `json:"source"`
	Space  Space  `json:"space"`
	Goal   string `json:"goal"`   // maximize or minimize
	Epochs int    `json:"epochs"` // of a whole training
	// Startup is of tpe: trials that are drawn at random first. Parallel is of tpe and
	// Outside: trials that are trained at the same time.
	Startup  int   `json:"startup,omitempty"`
	Parallel int   `json:"parallel,omitempty"`
	Stop     *Stop `json:"stop,omitempty"` // nil: every trial is trained to its end
	// Plugin is of Outside.
	Plugin *Plugin `json:"plugin,omitempty"`
}

// Kinds of stopping rules.
const (
	ASHA   = "asha"
	Median = "median"
)

// StopTypes are the stopping rules.
var StopTypes = []string{ASHA, Median}

// Stop is a rule that ends trials early.
type Stop struct {
	Type string `json:"type"` // ASHA or Median
	// Min is the epoch of the first decision.
	Min int `json:"min_epochs"`
	Eta int `json:"eta,omitempty"` // of ASHA: one of Eta goes on
	// Interval is the number of epochs between two decisions of Median, and
	// Startup the number of trials before it stops any.
	Interval int `json:"interval,omitempty"`
	Startup  int `json:"startup,omitempty"`
}

// Rungs are the epochs at which the rule decides in a training of epochs epochs,
// in ascending order and below epochs. Those of ASHA are Min, Min*Eta, ... as long
// as the next one still fits (Li et al. 2020, section 3.1).
func (s *Stop) Rungs(epochs int) []int {
	var out []int
	switch {
	case s == nil:
	case s.Type == ASHA:
		for r := s.Min; r <= epochs/s.Eta; r *= s.Eta {
			out = append(out, r)
		}
	default:
		for r := s.Min; r < epochs; r += s.Interval {
			out = append(out, r)
		}
	}
	return out
}

// Adaptive reports whether the machine must see results before it has made all
// its decisions.
func (c *Config) Adaptive() bool { return c.Method == "tpe" || c.Method == Outside || c.Stop != nil }

// identity is what must not change for a snapshot to be of use: all but how many
// trials there are and how many are trained at once.
func (c *Config) identity() (string, error) {
	same := *c
	same.Trials, same.Parallel = 0, 0
	return fingerprint(same)
}

func (c *Config) validate() error {
	switch {
	case !slices.Contains(Methods, c.Method):
		return fmt.Errorf("%q is not a search method", c.Method)
	case c.Method != "grid" && c.Trials < 1:
		return fmt.Errorf("a search needs at least one trial")
	case c.Goal != "maximize" && c.Goal != "minimize":
		return fmt.Errorf("%q is not a goal", c.Goal)
	case c.Method == "tpe" && (c.Startup < 1 || c.Parallel < 1):
		return fmt.Errorf("tpe needs startup and parallel of at least 1")
	case c.Method == Outside && (c.Plugin == nil || c.Parallel < 1):
		return fmt.Errorf("%s needs a plugin and parallel of at least 1", Outside)
	case c.Stop == nil:
	case c.Stop.Type == ASHA && (c.Stop.Min < 1 || c.Stop.Eta < 2):
		return fmt.Errorf("asha needs min_epochs of at least 1 and eta of at least 2")
	case c.Stop.Type == Median && (c.Stop.Min < 1 || c.Stop.Interval < 1 || c.Stop.Startup < 1):
		return fmt.Errorf("median needs min_epochs, interval and startup of at least 1")
	case !slices.Contains(StopTypes, c.Stop.Type):
		return fmt.Errorf("%q is not a stopping rule", c.Stop.Type)
	}
	return nil
}
