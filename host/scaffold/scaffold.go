package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// modulePrefix is the path of new modules; an author who publishes one changes it.
const modulePrefix = "example.com/"

//go:embed all:templates
var templates embed.FS

// Options say where the SDK comes from.
type Options struct {
	// SDKPath is a checkout of this repository, which go.mod then names in a
	// replace directive; "" uses the published version.
	SDKPath string
	// Version is the published version of the SDK, such as v0.1.0. It is used
	// without SDKPath.
	Version string
}

// Backbone writes a new backbone plugin into dir, which it makes, and returns the
// files it wrote, sorted and relative to dir. On an error nothing is left behind.
func Backbone(dir, name string, o Options) ([]string, error) {
	return write(dir, sdk.KindBackbone, name, o)
}

// Strategy writes a new strategy plugin as Backbone does a backbone.
func Strategy(dir, name string, o Options) ([]string, error) {
	return write(dir, sdk.KindStrategy, name, o)
}

// Sampler writes a new sampler plugin as Backbone does a backbone.
func Sampler(dir, name string, o Options) ([]string, error) {
	return write(dir, sdk.KindSampler, name, o)
}

// values are what templates are filled with.
type values struct {
	Kind     sdk.Kind
	Name     string
	Module   string
	SDK      string // module path of the SDK
	Protocol int
	module
}

// free refuses a directory that exists.
func free(dir string) error {
	_, err := os.Lstat(dir)
	switch {
	case err == nil:
		return fmt.Errorf("%s exists already; choose another name or directory", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

func write(dir string, kind sdk.Kind, name string, o Options) ([]string, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := free(dir); err != nil {
		return nil, err
	}
	m, err := readModule(o)
	if err != nil {
		return nil, err
	}
	v := values{Kind: kind, Name: name, Module: modulePrefix + name, SDK: sdkModule, Protocol: transport.Version, module: m}
	files, err := render(v, "module", string(kind))
	if err != nil {
		return nil, err
	}
	if len(m.Sums) > 0 {
		files["go.sum"] = m.Sums
	}
	return save(dir, files)
}

// save writes files into dir, which it makes.
func save(dir string, files map[string][]byte) ([]string, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make plugin directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make plugin directory: %w", err)
	}
	var names []string
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			return nil, errors.Join(fmt.Errorf("write plugin: %w", err), os.RemoveAll(dir))
		}
		names = append(names, file)
	}
	slices.Sort(names)
	return names, nil
}

// major matches names that the go command takes for the version of a module.
var major = regexp.MustCompile(`^v[0-9]+$`)

func checkName(name string) error {
	switch {
	case !sdk.ValidName(name):
		return fmt.Errorf("plugin name %q must start with a lower case letter and hold at most 64 of a-z, 0-9, - and _", name)
	case major.MatchString(name), name == "internal", name == "vendor", name == "testdata":
		return fmt.Errorf("plugin name %q means something else to the go command; choose another", name)
	}
	return nil
}

// render fills the templates in some folders.
func render(v any, folders ...string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, folder := range folders {
		folder = "templates/" + folder
		entries, err := templates.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			t, err := template.ParseFS(templates, folder+"/"+e.Name())
			if err != nil {
				return nil, err
			}
			var text bytes.Buffer
			if err := t.Execute(&text, v); err != nil {
				return nil, err
			}
			files[strings.TrimSuffix(e.Name(), ".tmpl")] = text.Bytes()
		}
	}
	return files, nil
}
