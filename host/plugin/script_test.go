package plugin

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

const goodScript = `[script]
name = "trees"
version = "2"
command = ["python3", "train.py", "{train}", "{val}", "{test}", "--out={out}", "--leaves={param.leaves}", "{param.kind}"]
predictions = "p.csv"
metrics = "stdout"
timeout = "90s"
memory = "1GiB"
env = ["OMP_NUM_THREADS"]
tasks = ["binary", "multiclass"]
[parameters]
leaves = { default = 31, min = 2, max = 255, log = true }
kind = { default = "gbdt", values = ["gbdt", "dart"] }
`

func TestReadManifest_script(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ScriptManifestName), goodScript)
	e, err := ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if e.String() != "backbone trees" || e.Dir != dir || e.Memory != 1<<30 || e.Script == nil || e.Env[0] != "OMP_NUM_THREADS" {
		t.Fatalf("got %+v", e)
	}
	want := Script{
		Info: sdk.Info{
			Kind: sdk.KindBackbone, Name: "trees", Version: "2",
			Hyperparameters: []sdk.Hyperparameter{
				{Name: "kind", Type: sdk.String, Default: "gbdt", Values: []string{"gbdt", "dart"}},
				{Name: "leaves", Type: sdk.Int, Default: int64(31), Min: 2, Max: 255, Log: true},
			},
			Capabilities: sdk.Capabilities{Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass}},
		},
		Format: "csv", Predictions: "p.csv", Metrics: MetricsStdout, Timeout: 90 * time.Second,
	}
	if !reflect.DeepEqual(*e.Script, want) {
		t.Errorf("got %+v\nwant %+v", *e.Script, want)
	}
	fields := Arguments(map[string]any{"leaves": int64(7), "kind": "a {val} b", "rate": 1e-7})
	fields["train"], fields["val"], fields["test"], fields["out"] = "/t", "/v", "/x", "/o"
	if got, want := strings.Join(e.fill(fields), "|"), "python3|train.py|/t|/v|/x|--out=/o|--leaves=7|a {val} b"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if fields["param.rate"] != "1e-07" {
		t.Errorf("got %s", fields["param.rate"])
	}

	// The registry finds it like any backbone, and the pool tells of it without a process.
	r := Scan(filepath.Dir(dir))
	found, err := r.Find(sdk.KindBackbone, "trees")
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(PoolConfig{})
	defer pool.Close()
	if info, err := pool.Info(t.Context(), found); err != nil || info.Name != "trees" {
		t.Errorf("got %+v, %v", info, err)
	}
	_, err = pool.OpenBackbone(t.Context(), found, sdk.OpenRequest{})
	wants(t, err, sdk.CodeUnsupported, "trains by itself")
}

func TestReadManifest_scriptErrors(t *testing.T) {
	for name, c := range map[string]struct {
		old, by string
		parts   []string
	}{
		"key":        {"memory =", "memroy =", []string{`"memory"`, ":8:"}},
		"name":       {`"trees"`, `"Trees"`, []string{"script.name", ":2:"}},
		"version":    {`version = "2"`, "", []string{"version"}},
		"format":     {"[parameters]", "format = \"xls\"\n[parameters]", []string{"script.format", "csv, npy, parquet"}},
		"predicted":  {`"p.csv"`, `"../p.csv"`, []string{"script.predictions", "{out}"}},
		"metrics":    {`"stdout"`, `"log.txt"`, []string{"script.metrics", ".jsonl"}},
		"timeout":    {`"90s"`, `"9h"`, []string{"script.timeout", "5h"}},
		"variable":   {`"OMP_NUM_THREADS"`, `"PGPASSWORD"`, []string{"PGPASSWORD", "credentials"}},
		"task":       {`"multiclass"]`, `"ranking"]`, []string{"ranking"}},
		"field":      {"{val}", "{vla}", []string{"{vla}", "{val}"}},
		"no test":    {`"{test}", `, "", []string{"does not use {test}"}},
		"no use":     {`"{param.kind}"`, `"dart"`, []string{"does not use {param.kind}"}},
		"empty":      {`"python3", "train.py"`, `""`, []string{"script.command", "empty"}},
		"no default": {"default = 31, ", "", []string{"parameters.leaves", "no default"}},
		"no bounds":  {"min = 2, ", "", []string{"parameters.leaves", "bounds"}},
		"outside":    {"default = 31", "default = 300", []string{"parameters.leaves", "300"}},
		"bounds":     {`default = "gbdt", values = ["gbdt", "dart"]`, `default = "gbdt", min = 1.0`, []string{"parameters.kind", "numbers"}},
		"value":      {`default = "gbdt"`, `default = "rf"`, []string{"parameters.kind", "rf"}},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Count(goodScript, c.old) != 1 {
				t.Fatalf("%q is there %d times", c.old, strings.Count(goodScript, c.old))
			}
			dir := t.TempDir()
			write(t, filepath.Join(dir, ScriptManifestName), strings.Replace(goodScript, c.old, c.by, 1))
			_, err := ReadManifest(dir)
			wants(t, err, sdk.CodePluginManifest, c.parts...)
		})
	}
}
