package rules

import (
	"slices"
	"strings"
	"testing"
)

// layout is everything the top of the repository holds.
var layout = []string{
	// what it consists of
	"docs", "host", "migrations", "plugins", "sdk", "sweeps", "tracker",
	// what a newcomer reads
	"README.md", "BENCHMARKS.md", "CONTRIBUTING.md", "LICENSE",
	// what tools read
	"go.mod", "go.sum", "Makefile", "compose.yaml", ".ci", ".dockerignore", ".editorconfig", ".gitattributes",
	".gitignore", ".golangci.yml",
}

func TestLayout(t *testing.T) {
	for _, file := range files(t) {
		top, _, _ := strings.Cut(file, "/")
		if !slices.Contains(layout, top) {
			t.Errorf("%s is at the top of the repository\n\trule: the top level is a table of contents; a new entry needs a line in host/rules", top)
		}
	}
	for _, dir := range []string{"util", "utils", "common", "helpers", "misc", "shared"} {
		for _, file := range files(t) {
			if slices.Contains(strings.Split(file, "/"), dir) {
				t.Errorf("%s: a directory named %s\n\trule: a package is named after what it holds", file, dir)
			}
		}
	}
}

// Every target says what it is for: make help is the list of commands.
func TestMakefile_Targets(t *testing.T) {
	lines := strings.Split(read(t, "Makefile"), "\n")
	documented := func(target string) bool {
		return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, target+":") && strings.Contains(l, "## ") })
	}
	for _, target := range []string{"help", "build", "plugins", "demo", "test", "test-race", "test-chaos", "lint", "generate", "verify", "bench", "ci", "cover"} {
		if !documented(target) {
			t.Errorf("the Makefile has no target %q with a ## text", target)
		}
	}
	for _, l := range lines {
		if target, ok := strings.CutPrefix(l, ".PHONY: "); ok && !documented(target) {
			t.Errorf("target %s has no ## text for make help", target)
		}
	}
}
