package methods

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk"
)

func TestPage(t *testing.T) {
	info := sdk.Info{
		Kind: sdk.KindBackbone, Name: "net", Version: "2.0.0", Citation: "Somebody 2020, equation 3",
		Text: "A network. Zeros stand for missing embeddings. It has layers.",
		Hyperparameters: []sdk.Hyperparameter{
			{Name: "width", Type: sdk.Int, Default: int64(8), Min: 1, Max: 64, Log: true, Text: "Width | of h."},
			{Name: "decay", Type: sdk.Float, Default: 1e-4, Min: 0, Max: math.Inf(1)},
			{Name: "kind", Type: sdk.String, Default: "a", Values: []string{"a", "b"}},
			{Name: "bias", Type: sdk.Bool, Default: true},
		},
		Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true, Tasks: []sdk.TaskKind{sdk.Binary}},
	}
	page := Page(info, "h = W x", "One product.")
	for _, want := range []string{
		"# net\n\nBackbone, version 2.0.0, licence not given.\n\nA network.", "## After\n\nSomebody 2020, equation 3\n", "## Equations\n\nh = W x\n",
		"## What the mask does\n\nZeros stand for missing embeddings.\n", "does not depend on the other rows",
		"Modalities: all. Tasks: binary.\n", "| `width` | int | 8 | 1 to 64, log | Width \\| of h. |", "| `decay` | float | 0.0001 | 0 to ∞ |  |",
		"| `kind` | string | `\"a\"` | a, b |", "| `bias` | bool | true | true, false |", "## Cost\n\nOne product.\n\n`make bench-backbones`",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in\n%s", want, page)
		}
	}
	info.Kind, info.Capabilities = sdk.KindStrategy, sdk.Capabilities{RevealsAvailability: true, NeedsLabels: true}
	page = Page(info, "", "")
	for _, not := range []string{"## Equations", "## Batches", "## Cost"} {
		if strings.Contains(page, not) {
			t.Errorf("%q is in\n%s", not, page)
		}
	}
	if !strings.Contains(page, "The head gets it beside h") || !strings.Contains(page, "given the labels") || !strings.Contains(page, "does not promise") {
		t.Errorf("got\n%s", page)
	}
}

func TestEquations(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"model.go":      "package main\n\n// info is not it.\nvar info = 1\n\n// model is h_i = W * x\n// for\n//\n//\ta < b\ntype model struct{}\n",
		"rule.go":       "package main\n\ntype rule struct{}\n\n// Penalty is |h|.\nfunc (r *rule) Penalty() {}\n\n// State is q.\nfunc (r *rule) State() {}\n",
		"model_test.go": "package main\n\n// build is of a test.\nfunc build() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Equations(dir)
	if want := "model is h\\_i = W \\* x\nfor\n\n    a < b\n\nPenalty is |h|."; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if got, err := Equations(t.TempDir()); err != nil || got != "" {
		t.Errorf("without source: %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "broken.go"), []byte("no go"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Equations(dir); err == nil {
		t.Error("broken source is no error")
	}
}

func TestCost(t *testing.T) {
	dir := t.TempDir()
	backbone := sdk.Info{Kind: sdk.KindBackbone}
	if got, err := Cost(backbone, dir); got != "" || err != nil {
		t.Errorf("without source: %q, %v", got, err)
	}
	write := func(text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, "testdata"), 0o755), os.WriteFile(filepath.Join(dir, costFile), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"rows": 64, "columns": [8, 16], "width": 128, "parameters": 1234567, "step": 999, "prediction": 1000, "memory": 3145728}`)
	got, err := Cost(backbone, dir)
	for _, want := range []string{"| 1,234,567 | 999 | 1,000 | 3 MiB |", "64 rows a batch, tables of 8, 16 columns", "h of width 128"} {
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%q is not in %s, %v", want, got, err)
		}
	}
	write("{")
	if _, err := Cost(backbone, dir); err == nil {
		t.Error("a broken file is no error")
	}
	for text, c := range map[string]sdk.Capabilities{
		"partners of the rows": {Mixes: true}, "share the epochs": {Stages: true},
		"h of the validation rows": {PostHoc: sdk.PostHocRepresentation}, "fitted once, to predictions of the validation rows": {PostHoc: sdk.PostHocScores},
	} {
		if got, err := Cost(sdk.Info{Kind: sdk.KindStrategy, Capabilities: c}, dir); err != nil || !strings.Contains(got, text) {
			t.Errorf("%q is not in %s, %v", text, got, err)
		}
		if got, _ := Cost(sdk.Info{Kind: sdk.KindStrategy}, dir); strings.Contains(got, text) {
			t.Errorf("%q is in %s", text, got)
		}
	}
}

// Every shipped plugin has a page, and a backbone's says what the mask does.
func TestShipped(t *testing.T) {
	for _, kind := range []string{"backbone", "strategy"} {
		found, err := filepath.Glob(filepath.Join("..", "..", "plugins", kind, "*", "plugin.toml"))
		if err != nil || len(found) == 0 {
			t.Fatal("no plugins", err)
		}
		for _, manifest := range found {
			name := filepath.Base(filepath.Dir(manifest))
			page, err := os.ReadFile(filepath.Join("..", "..", "docs", "methods", kind, name+".md"))
			if err != nil {
				t.Errorf("%v; run make methods", err)
				continue
			}
			sections := []string{"## After", "## Hyperparameters", "## Cost"}
			if kind == "backbone" {
				sections = append(sections, "## Equations", "## What the mask does", "## Batches", "work of a training step")
			}
			for _, s := range sections {
				if !strings.Contains(string(page), s) {
					t.Errorf("the page of %s %s has no %q", kind, name, s)
				}
			}
		}
	}
}
