package sweeps

import (
	"slices"
	"strings"
)

// Search is how configurations are chosen, with the same budget in every cell.
type Search struct {
	Method string // random, grid
	Trials int    // of random; a grid has as many as its product
	Seed   int
}

// searchMethods are those of this version.
var searchMethods = []string{"random", "grid"}

func readSearch(v value) *Search {
	if !v.present() {
		return nil
	}
	s := &Search{Method: "random"}
	if !v.table("method", "trials", "seed", "early_stop") {
		return s
	}
	method := v.get("method")
	if !method.present() {
		method.report(`is missing; write method = "random" or "grid"`)
	}
	if name, ok := method.str(); ok {
		s.Method = name
		if !slices.Contains(searchMethods, name) {
			method.report("%q is not available in this version%s; available: %s", name,
				near(name, searchMethods), strings.Join(searchMethods, ", "))
			s.Method = ""
		}
	}
	trials := v.get("trials")
	switch {
	case s.Method == "random" && !trials.present():
		trials.report(`is missing; write trials = 8`)
	case s.Method == "grid" && trials.present():
		trials.report("does not go with grid, which tries every combination; remove it")
	default:
		if n, ok := trials.integer(1); ok {
			s.Trials = int(n)
			if n > 10000 {
				trials.report("is %d, it must be at most 10000", n)
			}
		}
	}
	if n, ok := v.get("seed").integer(0); ok {
		s.Seed = int(n)
	}
	readEarlyStop(v.get("early_stop"))
	return s
}

// near is suggest without the list of what is known.
func near(word string, known []string) string {
	if text := suggest(word, known); strings.Contains(text, "did you mean") {
		return text
	}
	return ""
}

// readEarlyStop refuses every early_stop and says what to write instead.
func readEarlyStop(v value) {
	if !v.present() {
		return
	}
	kind, _ := v.get("type").v.(string)
	switch kind {
	case "":
		v.report("is not available in this version; to stop a run that no longer improves, write [run] patience = 5")
	case "patience":
		v.report("is written [run] patience = 5; remove early_stop")
	default:
		v.report("%q is not available in this version; every trial trains to its end or until [run] patience runs out", kind)
	}
}
