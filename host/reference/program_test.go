package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program is an installation of its own: the program, the one plugin that the
// test needs, and a DECONFOUND_HOME.
type program struct{ dir string }

// install builds a program in a directory with a short name that PostgreSQL's
// account can reach when the tests run as root.
func install(t *testing.T) *program {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "dcf-ref-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	p := &program{dir}
	concat := filepath.Join(dir, "bin", "plugins", "backbone", "concat")
	build(t, filepath.Join(dir, "bin", "deconfound"), "./host/cmd/deconfound")
	build(t, filepath.Join(concat, "concat"), "./plugins/backbone/concat")
	manifest, err := os.ReadFile(filepath.Join(root(t), "plugins", "backbone", "concat", "plugin.toml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(concat, "plugin.toml"), manifest)
	return p
}

func build(t *testing.T, into, what string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", into, what)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", what, err, out)
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// must runs a command that must succeed and returns what it prints.
func (p *program) must(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.dir, "bin", "deconfound"), args...)
	cmd.Env = append(os.Environ(), "DECONFOUND_HOME="+filepath.Join(p.dir, "home"), "DECONFOUND_DSN=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("deconfound %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.Bytes()
}

// train runs a sweep and returns the AUROC of every dataset, test set and seed.
// It is computed from the predictions, since the tracker keeps none of a test set
// with fewer than ten events.
func (p *program) train(t *testing.T, name, file string) map[string]areas {
	t.Helper()
	path := filepath.Join(p.dir, name+".toml")
	write(t, path, []byte(file))
	p.must(t, "run", path)
	query := fmt.Sprintf(`select dataset, test_set, seed, auroc(score, label, weight) from all_predictions
		where sweep = '%s' and phase = 'replicate' group by 1, 2, 3 order by 1, 2, 3`, name)
	found := map[string]areas{}
	for _, row := range p.query(t, query) {
		dataset, test, value := row[0].(string), row[1].(string), row[3].(float64)
		if found[dataset] == nil {
			found[dataset] = areas{}
		}
		found[dataset][test] = append(found[dataset][test], value)
	}
	return found
}

// query asks in SQL and returns the rows.
func (p *program) query(t *testing.T, query string) [][]any {
	t.Helper()
	var table struct{ Rows [][]any }
	if out := p.must(t, "sql", "--json", query); json.Unmarshal(out, &table) != nil {
		t.Fatalf("not JSON: %s", out)
	}
	return table.Rows
}
