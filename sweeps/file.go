package sweeps

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"
)

// Version is the sweep file format this package reads.
const Version = 1

// File is a sweep file whose own contents are sound. Whether its backbones,
// datasets and settings exist is for Compile to say.
type File struct {
	Path string
	Text []byte

	Name       string
	Axes       Axes
	Generated  map[string]Generated // datasets that the file defines, by name
	Variants   []Variant            // those of Axes.Variant, in that order
	Data       Data
	Metric     Metric
	Search     *Search        // nil: replicates only
	Parameters []Distribution // by name
	Seeds      []int          // of the replicates; empty: search only
	Optimizer  Settings       // [optimizer] as written, defaults not filled in
	Head       Settings       // [head] as written
	Run        Settings       // epochs, batch_size, patience, width as written
	Retry      RetryPolicy
	// Slice is the longest stretch a worker trains before it checkpoints. It
	// does not change results and is no part of a run's identity.
	Slice    time.Duration
	Budget   Budget
	Requires Requires
	Analysis Analysis

	doc    *document
	broken []Distribution // entries of [parameters] whose values cannot be used
}

// Problem is a mistake that only somebody else can see, such as settings a
// component refuses together, at the place of a key of the file; where the key is
// not written, at that of the nearest one around it.
func (f *File) Problem(message string, key ...string) Problem {
	at := f.doc.at.of(key)
	return Problem{File: cmp.Or(at.file, f.Path), Line: at.line, Column: at.column, Key: keyPath(key).String(), Message: message}
}

// SliceDefault is run.slice when the file does not say.
const SliceDefault = 30 * time.Second

// Load reads a sweep file. The error is Problems when the file can be read but
// is not sound; unless it is no TOML at all, the file comes back beside them, for
// Compile to add what it finds.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read sweep: %w", err)
	}
	return Parse(path, text)
}

// Parse is Load for text at hand; path is used in messages, and includes are
// looked for beside it.
func Parse(path string, text []byte) (*File, error) {
	doc, root, text, err := parseWithIncludes(path, text)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Text: text, doc: doc}
	f.read(root)
	return f, doc.problems.err()
}

func (f *File) read(root value) {
	root.table("version", "name", "axes", "datasets", "variants", "data", "metric", "search", "parameters",
		"constraints", "replicates", "budget", "requires", "optimizer", "head", "run", "analysis")

	switch version := root.get("version"); {
	case !version.present():
		version.report("is missing; write version = %d in the first line", Version)
	default:
		if n, ok := version.integer(0); ok && n != Version {
			version.report("is %d; this program reads version %d", n, Version)
		}
	}
	if name := root.get("name"); name.present() {
		f.Name, _ = name.name()
	} else {
		name.report("is missing; a sweep is stored and resumed under its name")
	}

	defined := readDatasets(root.get("datasets"))
	f.Generated = map[string]Generated{}
	for _, made := range defined {
		for _, g := range made {
			f.Generated[g.Name] = g
		}
	}
	f.Axes = readAxes(root.get("axes"), defined)
	f.Variants = readVariants(root.get("variants"), root.get("axes"), f.Axes.Variant)
	f.Data = readData(root.get("data"))
	f.Metric = readMetric(root.get("metric"))
	f.Optimizer = readFixed(root.get("optimizer"), Builtin("optimizer"))
	f.Head = readFixed(root.get("head"), Builtin("head"))
	f.readRun(root.get("run"))
	f.Search = readSearch(root.get("search"))
	names := conditionNames(f)
	f.Parameters, f.broken = readParameters(root.get("parameters"), names)
	f.readConstraints(root.get("constraints"), names)
	if f.Search != nil {
		f.Search.Zip = map[string]string{}
		f.readZip(root.get("search").get("zip"))
		f.checkEarlyStop(root.get("search").get("early_stop"))
	}
	f.readReplicates(root.get("replicates"))
	f.Budget = readBudget(root.get("budget"))
	f.Requires = readRequires(root.get("requires"))
	f.Analysis = readAnalysis(root.get("analysis"), f.Axes, f.Metric, f.Data.Split)
	f.checkSearch(root)
}

func (f *File) readReplicates(v value) {
	if !v.table("seeds") {
		return
	}
	seeds := v.get("seeds")
	if !seeds.present() {
		v.report(`has no seeds; write seeds = [0, 1, 2]`)
		return
	}
	items, ok := seeds.list()
	if ok && len(items) == 0 {
		seeds.report("is empty; name at least one seed")
	}
	for _, item := range items {
		n, ok := item.integer(0)
		switch {
		case !ok:
		case slices.Contains(f.Seeds, int(n)):
			item.report("seed %d is listed twice; the second run would repeat the first, remove it", n)
		default:
			f.Seeds = append(f.Seeds, int(n))
		}
	}
}

// checkSearch reports what is wrong between [search], [parameters] and
// [replicates].
func (f *File) checkSearch(root value) {
	search, parameters := root.get("search"), root.get("parameters")
	sampled := false
	for i := range f.Parameters {
		p := &f.Parameters[i]
		if !p.Free() {
			continue
		}
		sampled = true
		if !search.present() {
			f.doc.report(p.path, `is a choice, but there is no [search] to choose; add [search] method = "random", trials = 8, or fix it with { value = ... }`)
		}
		if f.Search != nil && f.Search.Method == "grid" && !p.Finite() {
			f.doc.report(p.path, `cannot be enumerated by method "grid"; give it values = [...] or a step`)
		}
	}
	if search.present() && !sampled && !parameters.present() {
		search.report("has nothing to search; add [parameters] or remove [search]")
	}
	if !search.present() && !root.get("replicates").present() {
		root.get("replicates").report("is missing and there is no [search]; add [replicates] seeds = [0, 1, 2]")
	}
}
