package sweeps

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func written(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Tables are merged, other values replaced; the sweep is the one that a single
// file would make, and what is stored has every file.
func TestInclude(t *testing.T) {
	head, rest, _ := strings.Cut(demo(t), "[search]")
	dir := written(t, map[string]string{
		"sweep.toml":     "include = [\"base/data.toml\", \"rest.toml\"]\n[run]\nepochs = 21\n[replicates]\nseeds = [4]\n",
		"base/data.toml": "include = [\"../head.toml\"]\nname = \"overlaid\"\n",
		"head.toml":      head, "rest.toml": "name = \"demo\"\n[search]" + rest,
	})
	f, err := Load(filepath.Join(dir, "sweep.toml"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Compile(f, fakeCatalog{})
	if err != nil {
		t.Fatal(err)
	}
	want := compile(t, edit(t, demo(t), "epochs = 20", "epochs = 21", "seeds = [0, 1, 2]", "seeds = [4]"))
	if diff := cmp.Diff(want.Hash, got.Hash); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{"epochs = 21", "# included: base/data.toml", "# included: ../head.toml", "# [search]"} {
		if !strings.Contains(string(f.Text), line) {
			t.Errorf("the stored text has no %q", line)
		}
	}
}

// A mistake is reported in the file where it is.
func TestInclude_Mistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"in the included file": {map[string]string{
			"sweep.toml": "include = [\"base.toml\"]\n" + demo(t), "base.toml": "\n[search]\ntrails = 3\n",
		}, "base.toml:3:1: search.trails: unknown key; did you mean \"trials\"?"},
		"in the including file": {map[string]string{
			"sweep.toml": "include = [\"base.toml\"]\n" + edit(t, demo(t), "trials = 4", "trials = 0"), "base.toml": "\n[search]\ntrials = 3\n",
		}, "sweep.toml:29:1: search.trials: is 0, it must be at least 1"},
		"absent":    {map[string]string{"sweep.toml": "include = [\"none.toml\"]\n" + demo(t)}, "sweep.toml:1:12: include[0]: cannot be included: "},
		"absolute":  {map[string]string{"sweep.toml": "include = [\"/x.toml\"]\n" + demo(t)}, `must be a path relative to this file`},
		"no list":   {map[string]string{"sweep.toml": "include = 3\n" + demo(t)}, "include: must be an array, found 3"},
		"directory": {map[string]string{"sweep.toml": "include = [\".\"]\n" + demo(t)}, "is no file of at most"},
		"syntax":    {map[string]string{"sweep.toml": "include = [\"base.toml\"]\n" + demo(t), "base.toml": "x = ["}, "base.toml:1:"},
		"circle": {map[string]string{
			"sweep.toml": "include = [\"a.toml\"]\n" + demo(t), "a.toml": "include = [\"b.toml\"]\n", "b.toml": "include = [\"a.toml\"]\n",
		}, "includes itself"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := written(t, tc.files)
			_, err := Load(filepath.Join(dir, "sweep.toml"))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// Zipped axes take their values in step.
func TestAxes_Zip(t *testing.T) {
	p := compile(t, edit(t, demo(t), `"md_db", "ipw"]`, "\"md_db\", \"ipw\"]\nzip = [[\"backbone\", \"variant\"]]", `["erm", "md", "md_db", "ipw"]`, `["erm", "md"]`))
	var got []string
	for _, c := range p.Cells {
		got = append(got, c.Cell.String())
	}
	if diff := cmp.Diff([]string{"nafld/concat/erm", "nafld/transformer/md"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
