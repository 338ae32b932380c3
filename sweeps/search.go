package sweeps

import (
	"maps"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sweeps/search"
)

// Search is how configurations are chosen, with the same budget in every cell.
type Search struct {
	Method string // random, grid, sobol, tpe, plugin
	Trials int    // a grid has as many as its product
	Seed   int
	// Startup is of tpe: trials drawn at random first. Parallel is of tpe and plugin:
	// trials of a cell that are trained at the same time.
	Startup, Parallel int
	Stop              *search.Stop // nil: every trial is trained to its end
	// Plugin is the sampler of method plugin, with its settings as written.
	Plugin         string
	PluginSettings Settings
	// Zip maps a parameter to the one whose choice it follows, value by value.
	Zip map[string]string
	// Constraints are expressions over the parameters that every trial satisfies.
	Constraints []*search.Expression
}

// Defaults of tpe.
const (
	tpeStartup  = 10
	tpeParallel = 4
)

func readSearch(v value) *Search {
	if !v.present() {
		return nil
	}
	s := &Search{Method: "random"}
	if !v.table("method", "trials", "seed", "startup", "parallel", "early_stop", "zip", "plugin") {
		return s
	}
	method := v.get("method")
	if !method.present() {
		method.report(`is missing; write method = "random", "grid", "sobol", "tpe" or "plugin"`)
	}
	if name, ok := method.str(); ok {
		s.Method = name
		if !slices.Contains(search.Methods, name) {
			method.report("%q is not available in this version%s; available: %s", name,
				near(name, search.Methods), strings.Join(search.Methods, ", "))
			s.Method = ""
		}
	}
	trials := v.get("trials")
	switch {
	case s.Method != "grid" && s.Method != "" && !trials.present():
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
	s.Startup, s.Parallel = tpeStartup, tpeParallel
	for key, to := range map[string]*int{"startup": &s.Startup, "parallel": &s.Parallel} {
		field := v.get(key)
		if field.present() && s.Method != "tpe" && s.Method != "" && (s.Method != search.Outside || key == "startup") {
			field.report(`goes with method = "tpe"%s only; remove it`, map[string]string{"parallel": ` or "plugin"`}[key])
		} else if n, ok := field.integer(1); ok {
			*to = int(n)
		}
	}
	s.readEarlyStop(v.get("early_stop"))
	s.readPlugin(v.get("plugin"))
	return s
}

func (s *Search) readPlugin(v value) {
	const example = `write plugin = "optuna", or plugin = { name = "optuna", startup = 10 } with settings of its own`
	switch {
	case s.Method == "":
	case s.Method != search.Outside && v.present():
		v.report(`goes with method = "plugin" only; remove it, or write method = "plugin"`)
	case s.Method != search.Outside:
	case !v.present():
		v.report(`is missing; %s`, example)
	default:
		if s.Plugin, s.PluginSettings = readPlugin(v); s.Plugin == "" && !v.doc.wrong(v.path) {
			v.report(`has no name; %s`, example)
		}
	}
}

// near is suggest without the list of what is known.
func near(word string, known []string) string {
	if text := suggest(word, known); strings.Contains(text, "did you mean") {
		return text
	}
	return ""
}

// Defaults of early_stop.
const (
	stopMin            = 3
	ashaEta            = 3
	medianInterval     = 5
	medianStartup      = 5
	earlyStopExample   = `early_stop = { type = "asha", min_epochs = 3, eta = 3 }`
	earlyStopPatience  = `to stop a run that no longer improves, write [run] patience = 5`
	earlyStopMaxEpochs = "max_epochs"
)

// earlyStopKeys are the settings of each rule.
var earlyStopKeys = map[string][]string{
	search.ASHA:   {"type", "min_epochs", earlyStopMaxEpochs, "eta"},
	search.Median: {"type", "min_epochs", earlyStopMaxEpochs, "interval", "startup"},
}

func (s *Search) readEarlyStop(v value) {
	if !v.present() {
		return
	}
	if _, ok := v.v.(map[string]any); !ok {
		v.report("must be a table; write %s; %s", earlyStopExample, earlyStopPatience)
		return
	}
	kind := v.get("type")
	name, ok := kind.str()
	switch {
	case !kind.present():
		kind.report("is missing; write %s; %s", earlyStopExample, earlyStopPatience)
		return
	case !ok:
		return
	case name == "patience":
		v.report("is written [run] patience = 5; remove early_stop")
		return
	case earlyStopKeys[name] == nil:
		kind.report("%q is not available in this version%s; available: %s", name, near(name, search.StopTypes), strings.Join(search.StopTypes, ", "))
		return
	}
	v.table(earlyStopKeys[name]...)
	s.Stop = &search.Stop{Type: name, Min: stopMin}
	settings := map[string]*int{"min_epochs": &s.Stop.Min}
	least := map[string]int64{}
	if name == search.ASHA {
		s.Stop.Eta, settings["eta"], least["eta"] = ashaEta, &s.Stop.Eta, 2
	} else {
		s.Stop.Interval, settings["interval"] = medianInterval, &s.Stop.Interval
		s.Stop.Startup, settings["startup"] = medianStartup, &s.Stop.Startup
	}
	for key, to := range settings {
		if n, ok := v.get(key).integer(max(1, least[key])); ok {
			*to = int(n)
		}
	}
}

// checkEarlyStop holds the stopping rule against the epochs of a run.
func (f *File) checkEarlyStop(v value) {
	if f.Search == nil || f.Search.Stop == nil || !v.present() {
		return
	}
	epochs := f.epochs()
	if i := slices.IndexFunc(f.Parameters, func(d Distribution) bool { return d.Name == "run.epochs" }); i >= 0 {
		f.doc.report(f.Parameters[i].path, "cannot be varied with search.early_stop, which compares runs of the same length; write [run] epochs = 30")
		return
	}
	if field := v.get(earlyStopMaxEpochs); field.present() {
		if n, ok := field.integer(1); ok && int(n) != epochs {
			field.report("is %d, but [run] epochs is %d; a trial that is not stopped trains all epochs, make the two equal or leave it out", n, epochs)
		}
	}
	if len(f.Search.Stop.Rungs(epochs)) > 0 {
		return
	}
	field := v.get("min_epochs")
	if f.Search.Stop.Type == search.ASHA {
		field.report("is %d: with eta = %d nothing can be stopped in %d epochs; min_epochs * eta must be at most that", f.Search.Stop.Min, f.Search.Stop.Eta, epochs)
	} else {
		field.report("is %d: nothing can be stopped in %d epochs; it must be less", f.Search.Stop.Min, epochs)
	}
}

// epochs of a run by the file, where [parameters] does not vary them.
func (f *File) epochs() int {
	n, ok := f.Run.Int("epochs")
	if p, found := findParameter(Builtin("run"), "epochs"); !ok && found {
		switch v := p.Default.(type) {
		case int64:
			n = v
		case int:
			n = int64(v)
		}
	}
	return int(n)
}

// readZip reads the groups of parameters that move together, value by value.
func (f *File) readZip(v value) {
	groups, _ := v.list()
	for _, group := range groups {
		items, ok := group.list()
		if !ok {
			continue
		}
		if len(items) < 2 {
			group.report(`needs at least two parameters; write zip = [["backbone.width", "head.hidden"]]`)
			continue
		}
		var leader *Distribution
		for _, item := range items {
			name, ok := item.str()
			if !ok {
				continue
			}
			at := slices.IndexFunc(f.Parameters, func(d Distribution) bool { return d.Name == name })
			switch {
			case at < 0:
				if !slices.ContainsFunc(f.broken, func(d Distribution) bool { return d.Name == name }) {
					item.report("%q is not in [parameters]%s", name, suggest(name, f.parameterNames()))
				}
				continue
			case f.Parameters[at].Kind != search.Values:
				item.report("%s moves with others only as a list; give it values = [...]", name)
				continue
			case f.Search.Zip[name] != "" || slices.Contains(slices.Collect(maps.Values(f.Search.Zip)), name) || leader != nil && leader.Name == name:
				item.report("%s is zipped twice; remove one", name)
				continue
			}
			d := &f.Parameters[at]
			switch {
			case leader == nil:
				leader = d
			case len(d.Values) != len(leader.Values):
				item.report("%s has %d values and %s has %d; those that move together need equally many", name, len(d.Values), leader.Name, len(leader.Values))
			default:
				f.Search.Zip[name] = leader.Name
			}
		}
	}
}

func (f *File) parameterNames() []string {
	var names []string
	for _, d := range slices.Concat(f.Parameters, f.broken) {
		names = append(names, d.Name)
	}
	return names
}

// readConstraints reads [constraints]: a name and an expression each.
func (f *File) readConstraints(v value, names map[string][]string) {
	if !v.present() || !v.anyTable() {
		return
	}
	if f.Search == nil {
		v.report("restricts a search, but there is no [search]; remove it")
		return
	}
	for _, key := range v.keys() {
		field := v.get(key)
		e := readExpression(field, names, "constraint", `"backbone.width * backbone.layers <= 512"`)
		if e == nil {
			continue
		}
		if len(e.Parameters) == 0 {
			field.report("looks at no parameter; to leave out cells, write exclude in [axes]")
			continue
		}
		f.Search.Constraints = append(f.Search.Constraints, e)
	}
}
