package rules

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// One comment says what a package is, and a reader knows where to find it.
func TestPackageComments(t *testing.T) {
	const why = "exactly one package comment a directory, in doc.go or in the main.go of a program when it has several files: godoc joins several, and a reader looks there first"
	type directory struct {
		files, commented []string
	}
	directories := map[string]*directory{}
	for _, file := range files(t) {
		dir := path.Dir(file)
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || dir == "." || strings.Contains(file, "testdata/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root(t), file), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Error(err)
			continue
		}
		if directories[dir] == nil {
			directories[dir] = &directory{}
		}
		d := directories[dir]
		d.files = append(d.files, path.Base(file))
		if parsed.Doc != nil {
			d.commented = append(d.commented, path.Base(file))
		}
	}
	for name, d := range directories {
		switch {
		case len(d.commented) != 1:
			t.Errorf("%s: package comments in %v\n\trule: %s", name, d.commented, why)
		case len(d.files) > 1 && d.commented[0] != "doc.go" && d.commented[0] != "main.go":
			t.Errorf("%s: the package comment is in %s\n\trule: %s", name, d.commented[0], why)
		}
	}
}

// A shipped plugin is a directory like any other plugin's.
func TestPluginDirectories(t *testing.T) {
	const why = "plugins/<kind>/<name> is built into bin/plugins/<kind>/<name>/{<name>,plugin.toml} and checked by the conformance suite"
	found := map[string][]string{}
	for _, file := range files(t) {
		if parts := strings.Split(file, "/"); parts[0] == "plugins" && len(parts) >= 4 {
			dir := strings.Join(parts[:3], "/")
			found[dir] = append(found[dir], strings.Join(parts[3:], "/"))
		}
	}
	for dir, names := range found {
		if kind := strings.Split(dir, "/")[1]; kind != "backbone" && kind != "strategy" {
			t.Errorf("%s: a plugin is a backbone or a strategy, not a %s\n\trule: %s", dir, kind, why)
		}
		for _, want := range []string{"main.go", "plugin.toml"} {
			if !slices.Contains(names, want) {
				t.Errorf("%s has no %s\n\trule: %s", dir, want, why)
			}
		}
		if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "_test.go") }) {
			t.Errorf("%s has no test\n\trule: %s", dir, why)
		}
	}
}
