package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sweeps"
)

// The sweep of the README is the one that init writes, and it is sound.
func TestStarter_IsTheSweepOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "```toml\n")
	shown, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the README shows no sweep")
	}
	if shown != string(starter) {
		t.Error("starter.toml differs from the sweep of the README; make them the same")
	}
	if _, err := sweeps.Parse("starter.toml", starter); err != nil {
		t.Error(err)
	}
}

// The search of the README is sound in a sweep.
func TestReadme_Search(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "## Search\n")
	_, rest, ok := strings.Cut(section, "```toml\n")
	shown, _, closed := strings.Cut(rest, "```")
	if !found || !ok || !closed {
		t.Fatal("the README shows no search")
	}
	const around = `version = 1
name = "readme"
[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = ["erm"]
[variants.erm]
[metric]
name = "val/auroc"
[run]
epochs = 30
`
	if _, err := sweeps.Parse("readme.toml", []byte(around+shown)); err != nil {
		t.Error(err)
	}
}

// Every subcommand that the README names exists.
func TestReadme_NamesCommandsThatExist(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, cmd := range newRoot(&app{}).Commands() {
		known[cmd.Name()] = true
	}
	for _, line := range strings.Split(string(readme), "\n") {
		rest, ok := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(line), "bin/"), "deconfound ")
		if !ok {
			continue
		}
		if name := strings.Fields(rest)[0]; !known[name] {
			t.Errorf("the README names %q, which is no subcommand", name)
		}
	}
}

func TestExecute_ExitCodes(t *testing.T) {
	t.Setenv("DECONFOUND_HOME", t.TempDir())
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--version"}, exitOK, ""},
		{[]string{"nonsense"}, exitUsage, "unknown command"},
		{[]string{"plan"}, exitUsage, "accepts 1 arg"},
		{[]string{"plan", "--nonsense", "x"}, exitUsage, "unknown flag"},
		{[]string{"plan", "testdata/absent.toml"}, exitFailure, "no such file"},
		{[]string{"runs", "show", "seven"}, exitUsage, "not the number of a run"},
		{[]string{"data", "audit", "absent"}, exitFailure, "no dataset"},
	} {
		var out, errs bytes.Buffer
		code := execute(t.Context(), test.args, strings.NewReader(""), &out, &errs)
		if code != test.code || !strings.Contains(errs.String(), test.says) {
			t.Errorf("%v: got code %d and %q, want code %d and %q", test.args, code, errs.String(), test.code, test.says)
		}
	}
}

// The training script of the README has a manifest that can be used.
func TestReadme_script(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(readme), "```toml\n[script]")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the README shows no script")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, plugin.ScriptManifestName), []byte("[script]"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := plugin.ReadManifest(dir); err != nil {
		t.Error(err)
	}
	if _, err := plugin.ReadManifest("../../../sdk/python/examples/lightgbm"); err != nil {
		t.Error(err)
	}
}
