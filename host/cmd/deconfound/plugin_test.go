package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// run executes one command line in a directory of its own, with the given
// directory as the only place to look for plugins.
func run(t *testing.T, plugins string, args ...string) (code int, out, errs string) {
	t.Helper()
	t.Setenv("DECONFOUND_PLUGIN_PATH", plugins)
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	var stdout, stderr bytes.Buffer
	code = execute(context.Background(), append([]string{"plugin"}, args...), strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// install builds a program of this repository as a plugin.
func install(t *testing.T, plugins, kind, name, source string) string {
	t.Helper()
	dir := filepath.Join(plugins, kind, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", source, err, text)
	}
	manifest := fmt.Sprintf("[plugin]\nkind = %q\nname = %q\nprotocol = 1\n[exec]\ncommand = [\"./%s\"]\n", kind, name, name)
	if err := os.WriteFile(filepath.Join(dir, "plugin.toml"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPlugin(t *testing.T) {
	plugins := t.TempDir()
	good := install(t, plugins, "strategy", "groupdro", "../../../plugins/strategy/groupdro")
	bad := install(t, plugins, "backbone", "misbehave", "../../plugin/testdata/misbehave")
	t.Chdir(t.TempDir())

	t.Run("ls", func(t *testing.T) {
		code, out, errs := run(t, plugins, "ls", "--json", "--kind", "strategy")
		var list []listedPlugin
		if err := json.Unmarshal([]byte(out), &list); code != 0 || err != nil {
			t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
		}
		if len(list) != 1 || list[0].Name != "groupdro" || list[0].Licence != "Apache-2.0" || list[0].Locked != "no lock file" ||
			len(list[0].Hyperparameters) != 3 || list[0].Hyperparameters[0].Name != "eta" || float64(*list[0].Hyperparameters[0].Max) != 1 {
			t.Errorf("got %s", out)
		}
		_, out, _ = run(t, plugins, "ls", "--verbose")
		for _, want := range []string{"strategy groupdro", "Sagawa", "0.0001 to 1, log", "pattern, pattern_label, environment", "backbone misbehave"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
	})

	t.Run("check", func(t *testing.T) {
		for _, target := range []string{"groupdro", good} {
			// Sources that were changed since, as if the author forgot to build.
			if err := os.WriteFile(filepath.Join(good, "model.go"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			tomorrow := time.Now().Add(24 * time.Hour)
			if err := os.Chtimes(filepath.Join(good, "model.go"), tomorrow, tomorrow); err != nil {
				t.Fatal(err)
			}
			code, out, errs := run(t, plugins, "check", target)
			if !strings.Contains(out, "! model.go was changed after") {
				t.Errorf("a stale program is not noticed:\n%s", out)
			}
			if code != exitOK || strings.Contains(out, "✗") || !strings.Contains(out, "✓ snapshot") || !strings.Contains(out, "- gradients: the strategy has no penalty") {
				t.Errorf("%s: exit %d\n%s%s", target, code, out, errs)
			}
		}
	})

	t.Run("check finds", func(t *testing.T) {
		code, out, errs := run(t, plugins, "check", bad, "--json")
		var result checked
		if err := json.Unmarshal([]byte(out), &result); err != nil {
			t.Fatalf("%v\n%s%s", err, out, errs)
		}
		if code != exitFailure || result.Passed || len(result.Checks) < 10 || !strings.Contains(errs, "backbone misbehave fails ") {
			t.Errorf("exit %d\n%s%s", code, out, errs)
		}
		code, out, _ = run(t, plugins, "check", "misbehave", "--only", "gradients")
		if code != exitFailure || !strings.Contains(out, "✗ gradients: ") || strings.Contains(out, "snapshot") {
			t.Errorf("exit %d\n%s", code, out)
		}
		code, out, errs = run(t, plugins, "check", "misbehave", "--only", "gradients", "--set", "mode=crash")
		if code != exitFailure || !strings.Contains(out, "plugin_crash") || !strings.Contains(errs, "exit status 3") || !strings.Contains(errs, "line 299") {
			t.Errorf("exit %d\n%s%s", code, out, errs)
		}
		if code, _, errs := run(t, plugins, "check", "misbehave", "--set", "mode"); code != exitUsage || !strings.Contains(errs, "--set hidden=16") {
			t.Errorf("exit %d, %s", code, errs)
		}
	})

	t.Run("check refuses", func(t *testing.T) {
		for target, want := range map[string]string{
			"grupdro":                   `did you mean "groupdro"?`,
			filepath.Join(plugins, "x"): "plugin.toml",
		} {
			code, _, errs := run(t, plugins, "check", target)
			if code != exitFailure || !strings.Contains(errs, want) {
				t.Errorf("%s: exit %d, %s", target, code, errs)
			}
		}
		if code, _, errs := run(t, plugins, "check", "groupdro", "--kind", "model"); code != exitUsage || !strings.Contains(errs, "--kind") {
			t.Errorf("exit %d, %s", code, errs)
		}
		if err := os.Remove(filepath.Join(bad, "misbehave")); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := run(t, plugins, "check", bad); code != exitFailure || !strings.Contains(errs, "build the plugin first") {
			t.Errorf("exit %d, %s", code, errs)
		}
	})

	t.Run("lock", func(t *testing.T) {
		if code, _, errs := run(t, plugins, "lock", "--check"); code != exitFailure || !strings.Contains(errs, "there is no plugins.lock.toml") {
			t.Errorf("exit %d, %s", code, errs)
		}
		if code, out, errs := run(t, plugins, "lock"); code != exitOK || !strings.Contains(out, "Locked 2 plugins") {
			t.Fatalf("exit %d, %s%s", code, out, errs)
		}
		if code, out, errs := run(t, plugins, "lock", "--check"); code != exitOK || strings.Count(out, "✓") != 2 {
			t.Errorf("exit %d, %s%s", code, out, errs)
		}
		if err := os.WriteFile(filepath.Join(good, "weights"), []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
		code, out, errs := run(t, plugins, "lock", "--check")
		if code != exitDrift || !strings.Contains(out, "✗ strategy groupdro") || !strings.Contains(errs, "not as locked: strategy groupdro") {
			t.Errorf("exit %d, %s%s", code, out, errs)
		}
		if _, out, _ := run(t, plugins, "ls"); !strings.Contains(out, "deconfound plugin lock") || strings.Contains(out, "1.0.0") {
			t.Errorf("an altered plugin was started:\n%s", out)
		}
		// A damaged lock file stops everything but its replacement.
		if err := os.WriteFile("plugins.lock.toml", []byte("no toml"), 0o644); err != nil {
			t.Fatal(err)
		}
		if code, _, _ := run(t, plugins, "ls"); code != exitFailure {
			t.Errorf("with a damaged lock file: exit %d", code)
		}
		if code, _, errs := run(t, plugins, "lock"); code != exitOK {
			t.Errorf("exit %d, %s", code, errs)
		}
	})
}

func TestPluginNew(t *testing.T) {
	checkout, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	plugins := t.TempDir()
	install(t, plugins, "strategy", "groupdro", "../../../plugins/strategy/groupdro")
	t.Chdir(t.TempDir())
	code, out, errs := run(t, "", "new", "my_rule", "--kind", "strategy", "--sdk", checkout)
	if code != exitOK || !strings.Contains(out, "my_rule/model.go") || !strings.Contains(out, "deconfound plugin check .") {
		t.Fatalf("exit %d, %s%s", code, out, errs)
	}
	if _, err := os.Stat("my_rule/model_test.go"); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"exists already", []string{"new", "my_rule", "--sdk", checkout}},
		{"lower case", []string{"new", "My", "--sdk", checkout}},
		{"name one with --sdk", []string{"new", "other"}},
		{"no go.mod", []string{"new", "other", "--sdk", "my_rule/.."}},
	} {
		if code, _, errs := run(t, "", c.args...); code != exitFailure || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit %d, %s", c.args, code, errs)
		}
	}
	if code, _, errs := run(t, plugins, "new", "groupdro", "--kind", "strategy", "--sdk", checkout); code != exitFailure || !strings.Contains(errs, "there is a strategy groupdro already") {
		t.Errorf("a name that is taken: exit %d, %s", code, errs)
	}
	if code, _, errs := run(t, plugins, "new", "groupdro", "--sdk", checkout); code != exitOK {
		t.Errorf("a name of another kind: exit %d, %s", code, errs)
	}
	if code, out, errs := run(t, "", "new", "my_net", "--lang", "python", "--sdk", checkout); code != exitOK || !strings.Contains(out, "my_net/model.py") || strings.Contains(out, "go build") {
		t.Errorf("in Python: exit %d, %s%s", code, out, errs)
	}
	for _, args := range [][]string{{"--lang", "r"}, {"--python", "python3"}} {
		if code, _, errs := run(t, "", append([]string{"new", "other"}, args...)...); code != exitUsage || !strings.Contains(errs, args[0]) {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
	if code, _, errs := run(t, "", "new", "other", "--lang", "python", "--python", "no/python"); code != exitFailure || !strings.Contains(errs, "no interpreter") {
		t.Errorf("an interpreter that is not there: exit %d, %s", code, errs)
	}
	if code, _, _ := run(t, "", "new"); code != exitUsage {
		t.Errorf("without a name: exit %d", code)
	}
}
