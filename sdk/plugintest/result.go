package plugintest

import (
	"slices"
	"time"
)

// Status is the outcome of a check.
type Status string

const (
	Pass Status = "pass"
	Fail Status = "fail"
	// Skip: the check does not apply to this plugin; Message says why.
	Skip Status = "skip"
)

// Result is the outcome of one check.
type Result struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Message is one line: the first problem, why the check was skipped, or ""
	// for a check that passed.
	Message string `json:"message,omitempty"`
	// Detail is further problems and what was measured, one a line.
	Detail string `json:"detail,omitempty"`
	// Mend says where to look, for a check that failed.
	Mend string `json:"mend,omitempty"`
}

// Failed reports whether one of the checks failed.
func Failed(results []Result) bool {
	return slices.ContainsFunc(results, func(r Result) bool { return r.Status == Fail })
}

// Options are how the suite runs. The zero value runs everything.
type Options struct {
	// Only names the checks to run; empty runs all.
	Only []string
	// Hyperparameters are used where a check does not set its own, instead of
	// the defaults; a smaller model is checked faster.
	Hyperparameters map[string]any
	// Timeout bounds one call of the plugin; 0 is one minute. A call that does not
	// return in time fails its check and is left behind.
	Timeout time.Duration
	// Process is the plugin's process; nil for a value of this one.
	Process Process
	// Report, if not nil, is called after every check.
	Report func(Result)
}
