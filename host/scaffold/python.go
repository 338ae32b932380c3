package scaffold

import (
	"fmt"
	"path/filepath"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// DefaultPython is the interpreter that the manifest of a Python plugin names: the
// first one in PATH, which an activated virtual environment provides.
const DefaultPython = "python3"

// PythonOptions say what a Python plugin runs in.
type PythonOptions struct {
	// SDKPath is a checkout of this repository to install the package deconfound
	// from; "" takes the published one.
	SDKPath string
	// Interpreter is a path or a name in PATH; "" is DefaultPython.
	Interpreter string
}

// Python writes a new plugin in Python into dir, as [Backbone] does one in Go.
func Python(dir string, kind sdk.Kind, name string, o PythonOptions) ([]string, error) {
	if !sdk.ValidName(name) {
		return nil, checkName(name)
	}
	if err := free(dir); err != nil {
		return nil, err
	}
	v := struct {
		Kind                  sdk.Kind
		Name, Python, Package string
		Protocol              int
	}{kind, name, o.Interpreter, "deconfound", transport.Version}
	if v.Python == "" {
		v.Python = DefaultPython
	}
	if o.SDKPath != "" {
		checkout, err := filepath.Abs(o.SDKPath)
		if err != nil {
			return nil, err
		}
		if _, err := readGoMod(checkout); err != nil {
			return nil, err
		}
		v.Package = filepath.Join(checkout, "sdk", "python")
	}
	if kind == sdk.KindBackbone {
		v.Package += "[torch]"
	}
	v.Package = fmt.Sprintf("'%s'", v.Package)
	files, err := render(v, "python/both", "python/"+string(kind))
	if err != nil {
		return nil, err
	}
	return save(dir, files)
}
