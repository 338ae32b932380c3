package scaffold

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
)

// checkout is this repository.
const checkout = "../.."

// command runs the go command offline, as on a machine whose module cache is
// filled.
func command(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s%s", strings.Join(args, " "), err, out, failure.String())
	}
	return string(out)
}

// A new plugin must build and pass the conformance suite as it is written.
func TestWrite_BuildsAndPasses(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles two programs")
	}
	for kind, write := range map[sdk.Kind]func(string, string, Options) ([]string, error){
		sdk.KindBackbone: Backbone, sdk.KindStrategy: Strategy, sdk.KindSampler: Sampler,
	} {
		t.Run(string(kind), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "not", "yet", "there")
			files, err := write(dir, "my_plugin", Options{SDKPath: checkout})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{".gitignore", "README.md", "go.mod", "go.sum", "main.go", "model.go", "model_test.go", "plugin.toml"}
			if !slices.Equal(files, want) {
				t.Errorf("wrote %v, want %v", files, want)
			}
			command(t, dir, "build", ".")
			command(t, dir, "test", ".")
			if bad := command(t, dir, "fmt", "./..."); bad != "" {
				t.Errorf("not formatted: %s", bad)
			}
			entry, err := plugin.ReadManifest(dir)
			if err != nil {
				t.Fatal(err)
			}
			if entry.Kind != kind || entry.Name != "my_plugin" {
				t.Errorf("the manifest is of the %s", entry)
			}
			if info, err := os.Stat(filepath.Join(dir, entry.Command[0])); err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("go build does not make the program that the manifest names: %v", err)
			}
			model, err := os.ReadFile(filepath.Join(dir, "model.go"))
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(model, []byte("\n")); n >= 80 {
				t.Errorf("model.go has %d lines, an author should see it at a glance", n)
			}
		})
	}
}

// The programs of the manual, in the module that an author has, must pass, too.
func TestManual(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles two programs")
	}
	for kind, c := range map[sdk.Kind]struct {
		write  func(string, string, Options) ([]string, error)
		header string
	}{
		sdk.KindBackbone: {Backbone, "import (\n\"fmt\"\n\"SDK\"\n\"SDK/backbone\"\n\"SDK/encoder\"\n\"SDK/nn\"\n)\n"},
		sdk.KindStrategy: {Strategy, "import (\n\"SDK\"\n\"SDK/strategy\"\n)\n" + `
var info = sdk.Info{Name: "mytrick", Version: "1", Licence: "MIT", Capabilities: sdk.Capabilities{Deterministic: true},
	Hyperparameters: []sdk.Hyperparameter{{Name: "gamma", Type: sdk.Float, Default: 1.0, Min: 0, Max: 10}}}
`},
	} {
		t.Run(string(kind), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "plugin")
			if _, err := c.write(dir, "plugin", Options{SDKPath: checkout}); err != nil {
				t.Fatal(err)
			}
			text := "package main\n" + strings.ReplaceAll(c.header, "SDK", sdkModule+"/sdk") + manual(t, "Writing a "+string(kind))
			if err := os.WriteFile(filepath.Join(dir, "model.go"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			command(t, dir, "vet", ".")
			command(t, dir, "test", ".")
		})
	}
}

// manual is the code in a section of the documentation of package sdk, without the
// main function, which the scaffold has.
func manual(t *testing.T, section string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(checkout, "sdk", "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := bytes.Cut(text, []byte("// # "+section+"\n"))
	if !found {
		t.Fatalf("no section %q", section)
	}
	text, _, _ = bytes.Cut(text, []byte("// # "))
	var code strings.Builder
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "//\t"); ok && !strings.HasPrefix(rest, "func main()") {
			code.WriteString(rest)
		}
	}
	if code.Len() == 0 {
		t.Fatalf("no code in section %q", section)
	}
	return code.String()
}

// The list of modules must be what the SDK imports, no more and no less.
func TestNeeded(t *testing.T) {
	var packages []string
	for _, p := range []string{"backbone", "encoder", "graph", "nn", "plugintest", "serve", "strategy"} {
		packages = append(packages, "./sdk/"+p)
	}
	out := command(t, checkout, append([]string{"list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}"}, packages...)...)
	got := slices.DeleteFunc(strings.Fields(out), func(p string) bool { return p == sdkModule })
	slices.Sort(got)
	got = slices.Compact(got)
	if !slices.Equal(got, needed) {
		t.Errorf("the SDK needs\n%s\nthe list says\n%s", strings.Join(got, "\n"), strings.Join(needed, "\n"))
	}
}

func TestWrite_Refusals(t *testing.T) {
	there := t.TempDir()
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "go.mod"), []byte("module example.com/other\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir, name string
		options   Options
		want      string
	}{
		{"", "My-Plugin", Options{SDKPath: checkout}, "lower case"},
		{"", "", Options{SDKPath: checkout}, "lower case"},
		{"", "v2", Options{SDKPath: checkout}, "go command"},
		{there, "fine", Options{SDKPath: checkout}, "exists already"},
		{"", "fine", Options{SDKPath: there}, "no go.mod"},
		{"", "fine", Options{SDKPath: elsewhere}, "example.com/other"},
		{"", "fine", Options{}, "--sdk"},
	} {
		dir := c.dir
		if dir == "" {
			dir = filepath.Join(t.TempDir(), "new")
		}
		_, err := Backbone(dir, c.name, c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q in %s with %+v: %v, want %q", c.name, c.dir, c.options, err, c.want)
		}
		if c.dir == "" {
			if _, err := os.Stat(dir); err == nil {
				t.Errorf("%q: the directory was made", c.name)
			}
		}
	}
}

// With the published SDK there is no replace directive, and no checksums that
// could be wrong.
func TestWrite_Published(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	files, err := Strategy(dir, "new", Options{Version: "v1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(files, "go.sum") {
		t.Error("go.sum was written")
	}
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := "module example.com/new\n\ngo 1.26.0\n\nrequire github.com/deconfound/deconfound v1.2.3\n"
	if string(text) != want {
		t.Errorf("go.mod is\n%s\nwant\n%s", text, want)
	}
	for _, file := range []string{"main.go", "model.go", "model_test.go"} {
		if _, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file), nil, 0); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckout(t *testing.T) {
	// A test binary lies in a directory of its own, outside any checkout.
	if dir := Checkout(); dir != "" {
		t.Errorf("found %s", dir)
	}
}
