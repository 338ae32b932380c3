package sweeps

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// includeLimit bounds an included file, in bytes.
const includeLimit = 1 << 20

// parseWithIncludes is parseDocument for a file that may begin with
// include = ["base.toml"]: tables are merged key by key, of other values and of
// arrays the later file's stands, and the including file is the last. Problems are
// reported in the file where they are. all is the text of every file, the others'
// as comments, so that a stored sweep is complete.
func parseWithIncludes(path string, text []byte) (doc *document, root value, all []byte, err error) {
	i := includer{}
	doc, err = i.parse(path, text, []string{filepath.Clean(path)})
	if err != nil {
		return nil, value{}, nil, err
	}
	return doc, value{doc: doc, v: doc.tree}, append(slices.Clone(text), i.comments...), nil
}

type includer struct{ comments []byte }

// parse reads a file and what it includes; chain are the files around it.
func (i *includer) parse(path string, text []byte, chain []string) (*document, error) {
	doc, root, err := parseDocument(path, text)
	if err != nil {
		return nil, err
	}
	include := root.get("include")
	if !include.present() {
		return doc, nil
	}
	delete(doc.tree, "include")
	items, _ := include.list()
	var base *document
	for _, item := range items {
		name, ok := item.str()
		if !ok {
			continue
		}
		file := filepath.Join(filepath.Dir(path), filepath.FromSlash(name))
		switch {
		case name == "" || filepath.IsAbs(name):
			item.report("%q must be a path relative to this file", name)
			continue
		case slices.Contains(chain, file):
			item.report("%s includes itself: %s", file, strings.Join(append(chain, file), " includes "))
			continue
		}
		text, err := readIncluded(file)
		if err != nil {
			item.report("%s", err)
			continue
		}
		i.comments = append(i.comments, "\n# included: "+name+"\n# "...)
		i.comments = append(i.comments, strings.ReplaceAll(strings.TrimRight(string(text), "\n"), "\n", "\n# ")+"\n"...)
		other, err := i.parse(file, text, append(slices.Clone(chain), file))
		if err != nil {
			return nil, err
		}
		if base == nil {
			base = other
		} else {
			base.merge(other)
		}
	}
	if base == nil {
		return doc, nil
	}
	base.merge(doc)
	base.file = path
	return base, nil
}

func readIncluded(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be included: %w", err)
	case !info.Mode().IsRegular() || info.Size() > includeLimit:
		return nil, fmt.Errorf("cannot be included: %s is no file of at most %d bytes", file, includeLimit)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot be included: %w", err)
	}
	return text, nil
}

// merge lays another document over this one.
func (d *document) merge(over *document) {
	for id, at := range over.at.at {
		if at.file == "" {
			at.file = over.file
		}
		d.at.at[id] = at
	}
	for id, at := range d.at.at {
		if at.file == "" {
			at.file = d.file
			d.at.at[id] = at
		}
	}
	d.problems = append(d.problems, over.problems...)
	mergeTables(d.tree, over.tree)
}

func mergeTables(under, over map[string]any) {
	for key, v := range over {
		a, isTable := under[key].(map[string]any)
		b, alsoTable := v.(map[string]any)
		if isTable && alsoTable {
			mergeTables(a, b)
		} else {
			under[key] = v
		}
	}
}
