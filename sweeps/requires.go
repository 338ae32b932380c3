package sweeps

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// Contract is what this program makes of a RunSpec. It rises whenever the same spec
// would be trained to other bits, or a plan be read otherwise: a worker of another
// contract than the program that planned a sweep leaves it to others.
const Contract = 1

// Requires is what a worker must have to train runs of a sweep, beside their plugins
// and datasets. It changes no result and is no part of the plan's hash.
type Requires struct {
	Labels map[string]string `json:"labels,omitempty"`
	Memory int64             `json:"memory,omitempty"` // bytes for each run
	Cores  int               `json:"cores,omitempty"`  // for each run
}

var (
	labelPattern = regexp.MustCompile(`^[a-z][a-z0-9_.-]*$`)
	sizePattern  = regexp.MustCompile(`^([1-9][0-9]{0,6})(MiB|GiB)$`)
)

func readRequires(v value) Requires {
	var r Requires
	if !v.table("labels", "memory", "cores") {
		return r
	}
	labels := v.get("labels")
	if labels.present() && labels.anyTable() {
		r.Labels = map[string]string{}
		for _, name := range labels.keys() {
			if !labelPattern.MatchString(name) {
				labels.get(name).report(`%q is no label; labels look like gpu = "no"`, name)
			}
			if text, ok := labels.get(name).str(); ok {
				r.Labels[name] = text
			}
		}
	}
	if text, ok := v.get("memory").str(); ok {
		if m := sizePattern.FindStringSubmatch(text); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64) // at most seven digits
			r.Memory = n << map[string]int{"MiB": 20, "GiB": 30}[m[2]]
		} else {
			v.get("memory").report(`%q is no size; write "512MiB" or "4GiB"`, text)
		}
	}
	if n, ok := v.get("cores").integer(1); ok {
		r.Cores = int(n)
	}
	return r
}

// missing says what a worker with the options would need to train runs of a sweep,
// and has not.
func (r Requires) missing(contract int, opts Options) []string {
	var out []string
	if contract != Contract {
		out = append(out, fmt.Sprintf("a program of contract %d, as the one that planned the sweep (this one has %d); install the same version", contract, Contract))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		if got, ok := opts.Labels[name]; !ok || got != r.Labels[name] {
			out = append(out, fmt.Sprintf("label %s=%s", name, r.Labels[name]))
		}
	}
	if opts.Memory > 0 && r.Memory > opts.Memory {
		out = append(out, fmt.Sprintf("%d MiB of memory", r.Memory>>20))
	}
	if opts.Cores > 0 && r.Cores > opts.Cores {
		out = append(out, fmt.Sprintf("%d cores", r.Cores))
	}
	return out
}
