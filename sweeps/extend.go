package sweeps

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Extension is what is added to a sweep; zero fields add nothing.
type Extension struct {
	Seeds    []int    // of the replicates
	Trials   int      // of the search, in all
	Dataset  []string // on the axes
	Backbone []string
	Variant  []string // must be defined in the file
}

// Extend returns the text of a sweep file with the additions, everything else of
// it, comments too, left as it is. What is there already is not added again.
func Extend(path string, text []byte, e Extension) ([]byte, error) {
	doc, root, err := parseDocument(path, text)
	if err != nil {
		return nil, err
	}
	x := &extender{text: string(text), doc: doc}
	if len(e.Seeds) > 0 {
		seeds := make([]string, len(e.Seeds))
		for i, seed := range e.Seeds {
			seeds[i] = strconv.Itoa(seed)
		}
		x.append(root.get("replicates").get("seeds"), seeds)
	}
	for axis, names := range map[string][]string{"dataset": e.Dataset, "backbone": e.Backbone, "variant": e.Variant} {
		quoted := make([]string, len(names))
		for i, name := range names {
			quoted[i] = strconv.Quote(name)
		}
		x.append(root.get("axes").get(axis), quoted)
	}
	if e.Trials > 0 {
		trials := root.get("search").get("trials")
		n, ok := trials.v.(int64)
		switch {
		case !ok:
			trials.report("is not in the file; there is nothing to extend")
		case int64(e.Trials) < n:
			trials.report("is %d; %d would drop some of them", n, e.Trials)
		default:
			span := doc.at.spans[trials.path.id()]
			x.replace(span[0], span[1], strconv.Itoa(e.Trials))
		}
	}
	if err := doc.problems.err(); err != nil {
		return nil, err
	}
	return []byte(x.apply()), nil
}

// extender collects replacements in a text.
type extender struct {
	text    string
	doc     *document
	changes []replacement
}

type replacement struct {
	from, to int
	text     string
}

func (x *extender) replace(from, to int, text string) {
	x.changes = append(x.changes, replacement{from, to, text})
}

// append adds elements, written as TOML, to an array.
func (x *extender) append(v value, elements []string) {
	if len(elements) == 0 {
		return
	}
	items, ok := v.list()
	if !ok || len(items) == 0 {
		if !v.present() || ok {
			v.report("is not in the file, or empty; there is nothing to extend")
		}
		return
	}
	var known []string
	for _, item := range items {
		known = append(known, show(item.v))
	}
	elements = slices.DeleteFunc(slices.Clone(elements), func(e string) bool { return slices.Contains(known, e) })
	if len(elements) == 0 {
		return
	}
	last := x.doc.at.spans[items[len(items)-1].path.id()][1]
	x.replace(last, last, ", "+strings.Join(elements, ", "))
}

// apply returns the text with all replacements.
func (x *extender) apply() string {
	slices.SortFunc(x.changes, func(a, b replacement) int { return b.from - a.from })
	out := x.text
	for _, c := range x.changes {
		out = out[:c.from] + c.text + out[c.to:]
	}
	return out
}

// Changed lists the lines that differ between two texts of equally many lines, the
// new ones with their numbers.
func Changed(before, after []byte) []string {
	old, now := strings.Split(string(before), "\n"), strings.Split(string(after), "\n")
	var out []string
	for i, line := range now {
		if i >= len(old) || old[i] != line {
			out = append(out, fmt.Sprintf("%d: %s", i+1, strings.TrimSpace(line)))
		}
	}
	return out
}
