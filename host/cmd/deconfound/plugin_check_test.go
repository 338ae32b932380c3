package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk/plugintest"
)

// programVariable has the test binary be the program, which plugin check starts as a
// host.
const programVariable = "TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(programVariable) != "" {
		main()
		return
	}
	if err := os.Setenv(programVariable, "1"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// A plugin whose process has one flaw fails the check for it and no other.
func TestPluginCheck_process(t *testing.T) {
	plugins := t.TempDir()
	dir := install(t, plugins, "backbone", "flawed", "./testdata/flawed")
	t.Chdir(t.TempDir())
	for flaw, want := range map[string]string{"": "", "memory": "resources", "files": "resources", "threads": "resources", "process": "restart", "daemon": "host"} {
		t.Run(flaw, func(t *testing.T) {
			args := []string{"check", dir, "--json", "--set", `flaw="` + flaw + `"`}
			if flaw == "daemon" {
				manifest, err := os.ReadFile(filepath.Join(dir, "plugin.toml"))
				if err != nil {
					t.Fatal(err)
				}
				daemons := filepath.Join(t.TempDir(), "daemons")
				defer killAll(t, daemons)
				text := strings.Replace(string(manifest), `["./flawed"]`, fmt.Sprintf(`["./flawed", "daemon", %q]`, daemons), 1)
				if err := os.WriteFile(filepath.Join(dir, "plugin.toml"), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := os.WriteFile(filepath.Join(dir, "plugin.toml"), manifest, 0o600); err != nil {
						t.Error(err)
					}
				}()
			}
			checkFails(t, plugins, want, args...)
		})
	}
}

// The same of a strategy.
func TestPluginCheck_strategyProcess(t *testing.T) {
	plugins := t.TempDir()
	dir := install(t, plugins, "strategy", "flawed", "./testdata/flawed")
	path := filepath.Join(dir, "plugin.toml")
	manifest, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(manifest), `["./flawed"]`, `["./flawed", "strategy"]`, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for flaw, want := range map[string]string{"": "", "memory": "resources", "files": "resources", "threads": "resources", "process": "restart"} {
		t.Run(flaw, func(t *testing.T) {
			checkFails(t, plugins, want, "check", dir, "--json", "--set", `flaw="`+flaw+`"`, "--only", "wire,cancel,restart,resources,host")
		})
	}
}

// checkFails runs plugin check, which must fail one check, or none if want is empty.
func checkFails(t *testing.T, plugins, want string, args ...string) {
	t.Helper()
	code, out, errs := run(t, plugins, args...)
	var result checked
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if got := strings.Join(failures(result.Checks), ", "); got != want || (code == exitOK) != (want == "") {
		t.Errorf("exit %d, it fails %q, want %q\n%s", code, got, want, out)
	}
	for _, c := range result.Checks {
		if c.Status == plugintest.Fail && c.Mend == "" {
			t.Errorf("%s does not say how to mend it", c.Name)
		}
		if c.Status == plugintest.Skip {
			t.Errorf("%s is left out: %s", c.Name, c.Message)
		}
	}
}

// killAll ends the processes whose numbers are in a file.
func killAll(t *testing.T, file string) {
	t.Helper()
	numbers, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	for _, number := range strings.Fields(string(numbers)) {
		pid, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill() // the check may have ended it
		}
	}
}
