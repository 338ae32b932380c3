package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
)

func newPlugin(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "List, show, write, check and lock plugins",
		Long: `A plugin is a directory with a plugin.toml that names its program. Plugins are
looked for in DECONFOUND_PLUGIN_PATH, in your data directory and beside the
program; the first of a kind and name counts.`,
	}
	cmd.AddCommand(newPluginLs(a), newPluginShow(a), newPluginNew(a), newPluginCheck(a), newPluginLock(a), newPluginHost(a), newPluginDocs(a))
	return cmd
}

// pluginKind reads the --kind flag; "" is any kind where that is allowed.
func pluginKind(kind string, optional bool) (sdk.Kind, error) {
	switch k := sdk.Kind(kind); {
	case k == sdk.KindBackbone, k == sdk.KindStrategy, optional && kind == "":
		return k, nil
	}
	return "", withExit(exitUsage, fmt.Errorf("--kind is %q, it takes %s or %s", kind, sdk.KindBackbone, sdk.KindStrategy))
}

// resolve finds a plugin by its directory or its name. A name that a backbone and
// a strategy share needs a kind.
func (a *app) resolve(arg string, kind sdk.Kind) (plugin.Entry, error) {
	if arg == "." || arg == ".." || strings.ContainsRune(arg, filepath.Separator) || !sdk.ValidName(arg) {
		return plugin.ReadManifest(arg)
	}
	registry := a.plugins()
	if kind != "" {
		return registry.Find(kind, arg)
	}
	backbone, noBackbone := registry.Find(sdk.KindBackbone, arg)
	strategy, noStrategy := registry.Find(sdk.KindStrategy, arg)
	switch {
	case noBackbone == nil && noStrategy == nil:
		return plugin.Entry{}, withExit(exitUsage, fmt.Errorf("there is a backbone and a strategy %s; say which with --kind", arg))
	case noBackbone == nil:
		return backbone, nil
	case noStrategy == nil:
		return strategy, nil
	}
	// A directory of that name, though its path was not written as one.
	entry, noDirectory := plugin.ReadManifest(arg)
	if noDirectory == nil {
		return entry, nil
	}
	if sdk.CodeOf(noBackbone) != sdk.CodePluginUnknown {
		return plugin.Entry{}, noBackbone
	}
	return plugin.Entry{}, errors.Join(
		fmt.Errorf("no plugin %q is installed, and there is no directory of that name with a %s", arg, plugin.ManifestName),
		noBackbone, noStrategy)
}
