package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sdkModule is the module that holds the SDK.
const sdkModule = "github.com/deconfound/deconfound"

// needed are the modules that packages of the SDK import, directly or through
// each other, sdk/graph with gorgonia among them: who does not use it need not
// download more than its go.mod. A test compares the list with what the go
// command says.
var needed = []string{
	"github.com/apache/arrow/go/arrow",
	"github.com/awalterschulze/gographviz",
	"github.com/chewxy/hm",
	"github.com/chewxy/math32",
	"github.com/fatih/color",
	"github.com/gogo/protobuf",
	"github.com/golang/protobuf",
	"github.com/google/flatbuffers",
	"github.com/hashicorp/go-hclog",
	"github.com/hashicorp/go-plugin",
	"github.com/hashicorp/yamux",
	"github.com/leesper/go_rng",
	"github.com/mattn/go-colorable",
	"github.com/mattn/go-isatty",
	"github.com/oklog/run",
	"github.com/pkg/errors",
	"github.com/xtgo/set",
	"go4.org/unsafe/assume-no-moving-gc",
	"golang.org/x/net",
	"golang.org/x/sys",
	"golang.org/x/text",
	"golang.org/x/xerrors",
	"gonum.org/v1/gonum",
	"google.golang.org/genproto/googleapis/rpc",
	"google.golang.org/grpc",
	"google.golang.org/protobuf",
	"gorgonia.org/dawson",
	"gorgonia.org/gorgonia",
	"gorgonia.org/tensor",
	"gorgonia.org/vecf32",
	"gorgonia.org/vecf64",
}

// module is what go.mod and go.sum are made of.
type module struct {
	Go       string   // language version
	Version  string   // of the SDK
	Replace  string   // absolute path of a checkout, or ""
	Requires []string // "path version" of the modules the SDK needs
	Sums     []byte   // go.sum
}

// Checkout finds the checkout that the running program was built in, as
// bin/deconfound, and returns its path, or "".
func Checkout() string {
	executable, err := os.Executable()
	if err != nil {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(executable); err == nil {
		executable = resolved
	}
	dir := filepath.Dir(filepath.Dir(executable))
	if _, err := readGoMod(dir); err != nil {
		return ""
	}
	return dir
}

// readModule takes the requirements from a checkout, or refers to the published
// SDK.
func readModule(o Options) (module, error) {
	if o.SDKPath == "" {
		if !strings.HasPrefix(o.Version, "v") {
			return module{}, fmt.Errorf("the SDK to write the plugin against is not known: this program was not built in a checkout of %s; name one with --sdk", sdkModule)
		}
		return module{Go: language, Version: o.Version}, nil
	}
	dir, err := filepath.Abs(o.SDKPath)
	if err != nil {
		return module{}, err
	}
	text, err := readGoMod(dir)
	if err != nil {
		return module{}, err
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return module{}, fmt.Errorf("read checksums of the SDK: %w", err)
	}
	m := module{Go: language, Version: "v0.0.0", Replace: dir, Sums: sums}
	for line := range strings.Lines(text) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		switch {
		case len(fields) == 2 && fields[0] == "go":
			m.Go = fields[1]
		case len(fields) >= 2 && slices.Contains(needed, fields[0]) && strings.HasPrefix(fields[1], "v"):
			m.Requires = append(m.Requires, fields[0]+" "+fields[1])
		}
	}
	return m, nil
}

// language is the Go version of a module whose SDK is not at hand.
const language = "1.26.0"

// readGoMod reads the go.mod of a checkout of this repository.
func readGoMod(dir string) (string, error) {
	path := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is no checkout of %s: it has no go.mod", dir, sdkModule)
	}
	if err != nil {
		return "", fmt.Errorf("read the SDK's go.mod: %w", err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if strings.TrimSpace(string(first)) != "module "+sdkModule {
		return "", fmt.Errorf("%s is no checkout of %s: %s says %q", dir, sdkModule, path, strings.TrimSpace(string(first)))
	}
	return string(text), nil
}
