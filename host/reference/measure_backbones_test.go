//go:build measure

package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// backbonesSweep trains every backbone plainly to its best validation epoch. Models are
// small; embed is mult's, latents healnet's, patches flexmoe's, and most have layers.
const backbonesSweep = `version = 1
name = "backbones-%[1]s"
[axes]
dataset  = ["%[1]s"]
backbone = ["%[2]s"]
variant  = ["erm"]
[variants.erm]
[data]
split = { scheme = "holdout", by = "patient", fractions = [0.6, 0.2, 0.2], test = "per_seed" }
[metric]
name = "val/auroc"
[parameters]
"backbone.hidden"  = { value = 32 }
"backbone.layers"  = { value = 1 }
"backbone.patches" = { value = 4 }
"backbone.embed"   = { value = 9 }
"backbone.latents" = { value = 8 }
"optimizer.lr"     = { value = 2e-3 }
[replicates]
seeds = [0, 1, 2]
[run]
epochs      = 200
patience    = 15
batch_size  = %[3]d
width       = 32
diagnostics = "off"
[analysis]
baseline = { variant = "erm" }
`

// Every backbone, plain, on three cohorts and seeds, against logistic regression of the
// covariates alone, which all must beat, and of the modalities that are observed of
// everybody. The table is printed with -v.
func TestMeasureBackbones(t *testing.T) {
	needPostgreSQL(t)
	want := readBaselines(t)
	p := install(t)
	names := p.addBackbones(t)
	p.addPublic(t, "heart", "support2")
	const seeds = 3
	for _, c := range []struct {
		dataset string
		batch   int
	}{{"nafld", 256}, {"heart", 64}, {"support2", 256}} {
		reference := want.Holdout[c.dataset]
		covariates, always, all := mean(reference.Covariates["id"][:seeds]), mean(reference.Always["id"][:seeds]), mean(reference.LR["id"][:seeds])
		t.Logf("%s: logistic regression of the covariates %.3f, of what is observed of everybody %.3f, of everything %.3f", c.dataset, covariates, always, all)
		name := "backbones-" + c.dataset
		path := filepath.Join(p.dir, name+".toml")
		write(t, path, fmt.Appendf(nil, backbonesSweep, c.dataset, strings.Join(names, `", "`), c.batch))
		p.must(t, "run", path)
		found := map[string][]float64{}
		for _, row := range p.query(t, fmt.Sprintf(`select backbone, seed, auroc(score, label, weight) from all_predictions
				where sweep = '%s' and phase = 'replicate' and test_set = 'id' group by 1, 2 order by 1, 2`, name)) {
			backbone, value := row[0].(string), row[2].(float64)
			found[backbone] = append(found[backbone], value)
		}
		for _, backbone := range names {
			if len(found[backbone]) != seeds {
				t.Errorf("%s on %s: %d of %d runs", backbone, c.dataset, len(found[backbone]), seeds)
				continue
			}
			got := mean(found[backbone])
			t.Logf("%-8s %-12s %.3f  %+.3f  %+.3f  %.3f", c.dataset, backbone, got, got-covariates, got-always, found[backbone])
			if !(got > covariates) {
				t.Errorf("%s on %s: got a mean AUROC of %.4f, logistic regression of the covariates alone has %.4f", backbone, c.dataset, got, covariates)
			}
		}
	}
}

// addBackbones builds all shipped backbones and names them.
func (p *program) addBackbones(t *testing.T) []string {
	t.Helper()
	manifests, err := filepath.Glob(filepath.Join(root(t), "plugins", "backbone", "*", "plugin.toml"))
	if err != nil || len(manifests) == 0 {
		t.Fatal("no backbones", err)
	}
	var names []string
	for _, manifest := range manifests {
		name := filepath.Base(filepath.Dir(manifest))
		into := filepath.Join(p.dir, "bin", "plugins", "backbone", name)
		text, err := os.ReadFile(manifest)
		if err := errors.Join(err, os.MkdirAll(into, 0o755)); err != nil {
			t.Fatal(err)
		}
		build(t, filepath.Join(into, name), "./plugins/backbone/"+name)
		write(t, filepath.Join(into, "plugin.toml"), text)
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
