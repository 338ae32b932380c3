package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fenced is a block of a page: sh is run, text is what that printed.
var fenced = regexp.MustCompile("(?ms)^```(sh|text)\n(.*?)^```$")

// follow runs a page of docs as somebody who types its commands in a checkout, and
// holds what is printed there against what the page shows: the lines of a block of
// text, in their order, among the lines of the commands before it.
func (h *home) follow(page string) {
	h.t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		h.t.Fatal(err)
	}
	// Bootstrap resamples follow the keyed hashes of patients: with another key the last
	// digit of what they estimate is another.
	if err := os.MkdirAll(h.data(), 0o711); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.data(), "installation.key"), []byte("deconfound docs deconfound docs "), 0o600); err != nil {
		h.t.Fatal(err)
	}
	for _, file := range []string{"sweeps/quick.toml", "docs/reading.toml"} {
		content, err := os.ReadFile("../../" + file)
		if err != nil {
			h.t.Fatal(err)
		}
		h.write(file, string(content))
	}
	printed, shown := "", 0
	for _, block := range fenced.FindAllSubmatch(text, -1) {
		if string(block[1]) == "sh" {
			printed = h.shell(string(block[2]))
			continue
		}
		shown++
		at := 0
		for line := range strings.Lines(string(block[2])) {
			words := strings.Join(strings.Fields(line), " ") + " "
			i := strings.Index(printed[at:], words)
			if i < 0 {
				h.t.Fatalf("%s shows\n%sand what is printed from there on is\n%s", page, line, printed[at:])
			}
			at += i + len(words) - 1
		}
	}
	if shown < 3 {
		h.t.Errorf("%s shows %d outputs", page, shown)
	}
}

// shell runs commands and answers what they print, with single spaces.
func (h *home) shell(script string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		h.t.Fatal(err) // the pages are for shells
	}
	cmd := exec.CommandContext(ctx, sh, "-eu", "-c", script)
	cmd.Dir, cmd.Env = h.cwd(), h.command(ctx).Env
	cmd.Env = append(cmd.Env, "PATH="+built+string(filepath.ListSeparator)+os.Getenv("PATH"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		h.t.Fatalf("%s%v\n%s%s", script, err, out.String(), errs.String())
	}
	return strings.Join(strings.Fields(out.String()), " ") + " "
}

// Whoever types what the tutorial says gets what it shows.
func TestDocs_Tutorial(t *testing.T) {
	t.Parallel()
	newHome(t).follow("tutorial.md")
}

// The figures that the guide explains are those of the program.
func TestDocs_Reading(t *testing.T) {
	t.Parallel()
	newHome(t).follow("reading.md")
}
