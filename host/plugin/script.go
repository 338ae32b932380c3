package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/deconfound/deconfound/sdk"
)

// ScriptManifestName is the file that makes a directory a training script.
const ScriptManifestName = "exec.toml"

const (
	// scriptTimeout is the longest training when the manifest says nothing.
	scriptTimeout = time.Hour
	// longestScript is below the time after which a worker gives a run up.
	longestScript = 5 * time.Hour
)

// MetricsStdout has the metrics of epochs read from the script's output.
const MetricsStdout = "stdout"

// Formats of the files that a script reads.
var scriptFormats = []string{"csv", "npy", "parquet"}

// Script is a program that trains a model of its own, from files, and writes
// predictions: an end-to-end baseline. It knows nothing of the contract of package
// sdk, hands out no representation and takes no gradient.
type Script struct {
	Info sdk.Info
	// Format of the files: csv, npy or parquet.
	Format string
	// Predictions is the file that the script writes, within {out}.
	Predictions string
	// Metrics is MetricsStdout, a file within {out} (.jsonl or .csv), or empty.
	Metrics string
	// Timeout bounds one training.
	Timeout time.Duration
}

// scriptFields are what stands in the command template of a script, besides
// {param.NAME}.
var scriptFields = []string{"train", "val", "test", "out", "seed"}

var field = regexp.MustCompile(`\{([^{}]*)\}`)

// scriptManifest is exec.toml as it is written.
type scriptManifest struct {
	Script struct {
		Name        string   `toml:"name"`
		Version     string   `toml:"version"`
		Text        string   `toml:"text"`
		Licence     string   `toml:"licence"`
		Citation    string   `toml:"citation"`
		Command     []string `toml:"command"`
		Format      string   `toml:"format"`
		Predictions string   `toml:"predictions"`
		Metrics     string   `toml:"metrics"`
		Tasks       []string `toml:"tasks"`
		Env         []string `toml:"env"`
		Timeout     duration `toml:"timeout"`
		Memory      size     `toml:"memory"`
	} `toml:"script"`
	Parameters map[string]scriptParameter `toml:"parameters"`
}

// scriptParameter declares a hyperparameter; its type is that of the default.
type scriptParameter struct {
	Default any      `toml:"default"`
	Min     *float64 `toml:"min"`
	Max     *float64 `toml:"max"`
	Log     bool     `toml:"log"`
	Values  []string `toml:"values"`
	Text    string   `toml:"text"`
}

var scriptKeys = []string{
	"script", "name", "version", "text", "licence", "citation", "command", "format", "predictions", "metrics", "tasks",
	"env", "timeout", "memory", "parameters", "default", "min", "max", "log", "values",
}

// readScript reads the exec.toml of a directory, which is absolute.
func readScript(dir string) (Entry, error) {
	path := filepath.Join(dir, ScriptManifestName)
	text, err := os.ReadFile(path)
	if err != nil {
		return Entry{}, sdk.Wrap(sdk.CodePluginManifest, err, "read manifest")
	}
	var m scriptManifest
	meta, err := toml.Decode(string(text), &m)
	if err != nil {
		return Entry{}, sdk.Wrap(sdk.CodePluginManifest, err, "%s", path)
	}
	bad := func(key, format string, args ...any) (Entry, error) {
		return Entry{}, sdk.Errorf(sdk.CodePluginManifest, "%s:%d: %s", path, lineOf(string(text), key), fmt.Sprintf(format, args...))
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		key := unknown[0]
		last := key[len(key)-1]
		if near := sdk.Nearest(last, scriptKeys); near != "" {
			return bad(last, "unknown key %q, did you mean %q?", key, near)
		}
		return bad(last, "unknown key %q", key)
	}
	s := &Script{Format: m.Script.Format, Predictions: m.Script.Predictions, Metrics: m.Script.Metrics, Timeout: time.Duration(m.Script.Timeout)}
	if s.Format == "" {
		s.Format = scriptFormats[0]
	}
	if !slices.Contains(scriptFormats, s.Format) {
		return bad("format", "script.format is %q, want one of %s", s.Format, strings.Join(scriptFormats, ", "))
	}
	if !filepath.IsLocal(s.Predictions) {
		return bad("predictions", "script.predictions is %q; name the CSV file that the script writes within {out}", s.Predictions)
	}
	if e := filepath.Ext(s.Metrics); s.Metrics != "" && s.Metrics != MetricsStdout && (!filepath.IsLocal(s.Metrics) || e != ".csv" && e != ".jsonl") {
		return bad("metrics", "script.metrics is %q; want %q for lines of JSON on its output, or a .jsonl or .csv file within {out}", s.Metrics, MetricsStdout)
	}
	if s.Timeout == 0 {
		s.Timeout = scriptTimeout
	}
	if s.Timeout > longestScript {
		return bad("timeout", "script.timeout is %v, it must be at most %v", s.Timeout, longestScript)
	}
	for _, name := range m.Script.Env {
		if reason := forbidden(name); reason != "" {
			return bad("env", "script.env must not name %s: %s", name, reason)
		}
	}
	s.Info = sdk.Info{
		Kind: sdk.KindBackbone, Name: m.Script.Name, Version: m.Script.Version, Text: m.Script.Text,
		Licence: m.Script.Licence, Citation: m.Script.Citation,
	}
	if !sdk.ValidName(s.Info.Name) {
		return bad("name", "script.name is %q; it must start with a lower case letter and hold at most 64 of a-z, 0-9, - and _", s.Info.Name)
	}
	for _, name := range m.Script.Tasks {
		kind := sdk.TaskKind(name)
		if kind != sdk.Binary && kind != sdk.Multiclass && kind != sdk.Multilabel {
			return bad("tasks", "script.tasks names %q, want %s, %s or %s", name, sdk.Binary, sdk.Multiclass, sdk.Multilabel)
		}
		s.Info.Capabilities.Tasks = append(s.Info.Capabilities.Tasks, kind)
	}
	for name, p := range m.Parameters {
		h, err := p.declare(name)
		if err != nil {
			return bad(name, "parameters.%s: %s", name, err)
		}
		s.Info.Hyperparameters = append(s.Info.Hyperparameters, h)
	}
	slices.SortFunc(s.Info.Hyperparameters, func(a, b sdk.Hyperparameter) int { return strings.Compare(a.Name, b.Name) })
	if err := s.Info.Validate(); err != nil {
		return bad("script", "%s", err)
	}
	if err := s.checkCommand(m.Script.Command); err != nil {
		return bad("command", "script.command %s", err)
	}
	return Entry{
		Kind: sdk.KindBackbone, Name: s.Info.Name, Dir: dir, Command: m.Script.Command, Env: m.Script.Env,
		Memory: int64(m.Script.Memory), Script: s,
	}, nil
}

// declare makes a hyperparameter of its declaration.
func (p scriptParameter) declare(name string) (sdk.Hyperparameter, error) {
	h := sdk.Hyperparameter{Name: name, Default: p.Default, Log: p.Log, Values: p.Values, Text: p.Text}
	switch p.Default.(type) {
	case int64:
		h.Type = sdk.Int
	case float64:
		h.Type = sdk.Float
	case bool:
		h.Type = sdk.Bool
	case string:
		h.Type = sdk.String
	default:
		return h, errors.New(`has no default; write for example { default = 31, min = 2, max = 255 }`)
	}
	number := h.Type == sdk.Int || h.Type == sdk.Float
	switch {
	case number && (p.Min == nil || p.Max == nil):
		return h, errors.New("has no bounds; give min and max, within which a search may vary it")
	case number && len(p.Values) > 0:
		return h, errors.New("has values, which go with text")
	case number:
		h.Min, h.Max = *p.Min, *p.Max
	case p.Min != nil || p.Max != nil || p.Log:
		return h, errors.New("has bounds, which go with numbers")
	}
	return h, h.Validate()
}

// checkCommand refuses a template that could not work: a field that does not exist,
// data that the script would not get, a parameter that would change nothing.
func (s *Script) checkCommand(command []string) error {
	if len(command) == 0 || command[0] == "" {
		return errors.New(`is empty; write for example ["python3", "train.py", "{train}", "{val}", "{test}", "{out}"]`)
	}
	used := map[string]bool{}
	known := slices.Clone(scriptFields)
	for _, h := range s.Info.Hyperparameters {
		known = append(known, "param."+h.Name)
	}
	for _, part := range command {
		for _, m := range field.FindAllStringSubmatch(part, -1) {
			if !slices.Contains(known, m[1]) {
				if near := sdk.Nearest(m[1], known); near != "" {
					return fmt.Errorf("has the unknown field %s, did you mean {%s}?", m[0], near)
				}
				return fmt.Errorf("has the unknown field %s; there are {%s}", m[0], strings.Join(known, "}, {"))
			}
			used[m[1]] = true
		}
	}
	for _, name := range known {
		if !used[name] && name != "seed" {
			return fmt.Errorf("does not use {%s}", name)
		}
	}
	return nil
}

// fill returns the command with its fields replaced.
func (e Entry) fill(fields map[string]string) []string {
	out := make([]string, len(e.Command))
	for i, part := range e.Command {
		out[i] = field.ReplaceAllStringFunc(part, func(f string) string { return fields[strings.Trim(f, "{}")] })
	}
	return out
}

// Arguments is how values of hyperparameters are written on a command line, by
// field of the template.
func Arguments(values map[string]any) map[string]string {
	out := map[string]string{}
	for name, v := range values {
		text := fmt.Sprint(v)
		if f, ok := v.(float64); ok {
			text = strconv.FormatFloat(f, 'g', -1, 64)
		}
		out["param."+name] = text
	}
	return out
}

// isScript reports whether a directory has the manifest of a script and none of a
// plugin.
func isScript(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ManifestName))
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, ScriptManifestName))
	return err == nil
}
