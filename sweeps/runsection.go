package sweeps

import (
	"regexp"
	"slices"
	"time"
)

// RetryPolicy says which failures are tried again, and how often.
type RetryPolicy struct {
	Max int      `json:"max"`
	On  []string `json:"on"` // error codes
	// Backoff is the wait before the second attempt; it doubles with every further
	// one, up to backoffLast. A run whose worker died does not wait.
	Backoff time.Duration `json:"backoff_ns,omitempty"`
}

const backoffLast = 10 * time.Minute

// wait is how long a run waits after its n-th attempt, counted from 1, has failed.
func (r RetryPolicy) wait(attempt int) time.Duration {
	wait := r.Backoff
	for range attempt - 1 {
		if wait = 2 * wait; wait >= backoffLast {
			return backoffLast
		}
	}
	return wait
}

// Allows reports whether a run that failed with code on its n-th attempt
// (counted from 1) is to be tried again.
func (r RetryPolicy) Allows(code string, attempt int) bool {
	return attempt <= r.Max && slices.Contains(r.On, code)
}

var codePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (f *File) readRun(v value) {
	f.Retry = RetryPolicy{Max: 2, On: []string{"lost", "plugin_crash", "plugin_start"}}
	f.Slice = SliceDefault
	f.Run = Settings{}
	if !v.present() {
		return
	}
	settings := Builtin("run")
	known := []string{"retry", "slice"}
	for _, p := range settings {
		known = append(known, p.Name)
	}
	if !v.table(known...) {
		return
	}
	for _, p := range settings {
		if field := v.get(p.Name); field.present() {
			if x, ok := p.read(field); ok {
				f.Run[p.Name] = x
			}
		}
	}
	if text, ok := v.get("slice").str(); ok {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			v.get("slice").report(`%q is not a duration; write "30s" or "2m"`, text)
		case d < time.Second || d > time.Hour:
			v.get("slice").report(`is %s, it must lie between 1s and 1h`, d)
		default:
			f.Slice = d
		}
	}
	f.readRetry(v.get("retry"))
}

func (f *File) readRetry(v value) {
	if !v.table("max", "on", "backoff") {
		return
	}
	if text, ok := v.get("backoff").str(); ok {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			v.get("backoff").report(`%q is not a duration; write "30s" or "2m"`, text)
		case d < 0 || d > backoffLast:
			v.get("backoff").report("is %s, it must lie between 0s and %s", d, backoffLast)
		default:
			f.Retry.Backoff = d
		}
	}
	if n, ok := v.get("max").integer(0); ok {
		f.Retry.Max = int(n)
	}
	on := v.get("on")
	items, ok := on.list()
	if !ok {
		return
	}
	f.Retry.On = nil
	for _, item := range items {
		code, ok := item.str()
		switch {
		case !ok:
		case !codePattern.MatchString(code):
			item.report(`%q is not an error code; codes look like "plugin_crash"`, code)
		case slices.Contains(f.Retry.On, code):
			item.report("%q is listed twice; remove one", code)
		default:
			f.Retry.On = append(f.Retry.On, code)
		}
	}
}

// readFixed reads a section of fixed settings, e.g. [optimizer].
func readFixed(v value, parameters []Parameter) Settings {
	out := Settings{}
	if !v.present() {
		return out
	}
	var known []string
	for _, p := range parameters {
		known = append(known, p.Name)
	}
	if !v.table(known...) {
		return out
	}
	for _, p := range parameters {
		if field := v.get(p.Name); field.present() {
			if x, ok := p.read(field); ok {
				out[p.Name] = x
			}
		}
	}
	return out
}
