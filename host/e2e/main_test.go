package e2e

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/deconfound/deconfound/tracker/pglocal"
)

// built is what the tests run: the program, and in plugins/<kind>/<name> its
// plugins.
var built string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("end-to-end tests are left out under -short")
		return
	}
	if _, _, err := pglocal.Installed(); err != nil {
		// The program would fetch one, and tests use no network.
		fmt.Println("end-to-end tests are left out:", err)
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("/tmp", "dcf-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, "build the program:", err)
		return 1
	}
	built = dir
	return m.Run()
}

// build compiles everything with one call, as make build does, and lays it out
// as an installation.
func build(dir string, flags ...string) error {
	const root = "../.."
	flat := filepath.Join(dir, "bin")
	if err := os.Mkdir(flat, 0o755); err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-o", flat + "/"}, flags...)
	cmd := exec.Command("go", append(args, "./host/cmd/deconfound", "./plugins/backbone/concat", "./plugins/backbone/transformer", "./plugins/strategy/...", "./host/e2e/testdata/crash", "./host/e2e/testdata/table")...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(flat, "deconfound"), filepath.Join(dir, "deconfound")); err != nil {
		return err
	}
	manifests := map[string]string{
		"backbone/concat":      root + "/plugins/backbone/concat/plugin.toml",
		"backbone/transformer": root + "/plugins/backbone/transformer/plugin.toml",
		"backbone/crash":       "testdata/crash/plugin.toml",
		"backbone/table":       "testdata/table/exec.toml",
	}
	strategies, err := filepath.Glob(root + "/plugins/strategy/*/plugin.toml")
	if err != nil || len(strategies) == 0 {
		return errors.Join(err, errors.New("no strategies"))
	}
	for _, path := range strategies {
		manifests["strategy/"+filepath.Base(filepath.Dir(path))] = path
	}
	for name, manifest := range manifests {
		into := filepath.Join(dir, "plugins", name)
		if err := os.MkdirAll(into, 0o755); err != nil {
			return err
		}
		text, err := os.ReadFile(manifest)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(into, filepath.Base(manifest)), text, fs.FileMode(0o644)); err != nil {
			return err
		}
		program := filepath.Base(name)
		if err := os.Rename(filepath.Join(flat, program), filepath.Join(into, program)); err != nil {
			return err
		}
	}
	return nil
}
