package e2e

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// buildBackbones puts all shipped backbones into a directory for plugins and names
// them.
func buildBackbones(t *testing.T, dir string) []string {
	t.Helper()
	const root = "../.."
	manifests, err := filepath.Glob(filepath.Join(root, "plugins/backbone/*/plugin.toml"))
	if err != nil || len(manifests) == 0 {
		t.Fatal("no backbones", err)
	}
	flat := filepath.Join(dir, "flat")
	if err := os.MkdirAll(flat, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", flat+"/", "./plugins/backbone/...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var names []string
	for _, manifest := range manifests {
		name := filepath.Base(filepath.Dir(manifest))
		names = append(names, name)
		into := filepath.Join(dir, "backbone", name)
		text, err := os.ReadFile(manifest)
		if err == nil {
			err = errors.Join(os.MkdirAll(into, 0o755), os.Rename(filepath.Join(flat, name), filepath.Join(into, name)))
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(into, "plugin.toml"), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// addBundled adds every sixth row of the bundled cohort as a dataset of its own.
func (h *home) addBundled() {
	h.t.Helper()
	const bundled = "../../host/dataset/bundled/nafld"
	manifest, err := os.ReadFile(filepath.Join(bundled, "dataset.toml"))
	if err != nil {
		h.t.Fatal(err)
	}
	table, err := readGzip(filepath.Join(bundled, "nafld.csv.gz"))
	if err != nil {
		h.t.Fatal(err)
	}
	head, rows, _ := strings.Cut(table, "\n")
	kept := []string{head}
	number := 0
	for row := range strings.Lines(rows) {
		if number%6 == 0 {
			kept = append(kept, strings.TrimSuffix(row, "\n"))
		}
		number++
	}
	text := strings.NewReplacer(`name     = "nafld"`, `name = "some"`, "nafld.csv.gz", "some.csv").Replace(string(manifest))
	h.write("data/some/some.csv", strings.Join(kept, "\n")+"\n")
	h.must("data", "add", filepath.Dir(h.write("data/some/dataset.toml", text)))
}

func readGzip(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// Every shipped backbone trains with every component on the bundled cohort and on one
// with tables, embeddings and sequences, and its training loss falls. The whole sweep
// is sweeps/backbones.toml.
func TestRun_AllBackbones(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	names := buildBackbones(t, filepath.Join(h.dir, "plugins"))
	h.plugins = filepath.Join(h.dir, "plugins")

	shippedText, err := os.ReadFile(shipped(t, "backbones.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(shippedText), fmt.Sprintf("%q", name)) {
			t.Errorf("sweeps/backbones.toml leaves out %s", name)
		}
	}

	h.addBundled()
	h.add(cohort{name: "two", label: binary, rows: 320})
	variants := []string{"erm", "md", "db", "md_db"}
	file := sweep{
		name: "backbones", dataset: `"some", "two"`, backbone: `"` + strings.Join(names, `", "`) + `"`,
		variant: `"` + strings.Join(variants, `", "`) + `"`, seeds: "0", epochs: 2, more: "diagnostics = \"cheap\"",
	}.write(h)
	text, err := os.ReadFile(filepath.Join(h.cwd(), file))
	if err != nil {
		t.Fatal(err)
	}
	// Small models: what is tested is that they are there and fit together.
	small := strings.Replace(string(text), "[replicates]", `[parameters]
"backbone.hidden"  = { value = 16 }
"backbone.dropout" = { value = 0.0 }
"backbone.patches" = { value = 4 }
"optimizer.lr"     = { value = 3e-3 }
[replicates]`, 1)
	h.write(file, small)
	if s := h.trained(t, file); s.Done != 2*len(names)*len(variants) {
		t.Errorf("got %+v", s)
	}
	seen := map[string]int{}
	for _, row := range h.sqlRows(`select r.dataset, r.backbone, r.variant, p.step, p.value from points p join runs r using (run_id)
			where p.metric = 'loss' and p.split = 'train' and p.grp = '' order by 1, 2, 3, 4`) {
		cell := fmt.Sprint(row[0], "/", row[1], "/", row[2])
		seen[cell]++
	}
	for _, row := range h.sqlRows(`select r.dataset || '/' || r.backbone || '/' || r.variant, first.value, last.value
			from runs r join points first on first.run_id = r.run_id and first.metric = 'loss' and first.split = 'train' and first.step = 0
			join points last on last.run_id = r.run_id and last.metric = 'loss' and last.split = 'train' and last.step = 1`) {
		if first, last := row[1].(float64), row[2].(float64); !(last < first) {
			t.Errorf("%s: the training loss goes from %v to %v", row[0], first, last)
		}
	}
	if len(seen) != 2*len(names)*len(variants) || slices.ContainsFunc(names, func(n string) bool { return seen["two/"+n+"/md_db"] != 2 }) {
		t.Errorf("learning curves of %d cells: %v", len(seen), seen)
	}
}
