package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
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
	case slices.Contains(sdk.Kinds, k), optional && kind == "":
		return k, nil
	}
	return "", withExit(exitUsage, fmt.Errorf("--kind is %q, it takes %s, %s or %s", kind, sdk.KindBackbone, sdk.KindStrategy, sdk.KindSampler))
}

// resolve finds a plugin by its directory or its name. A name that
// plugins of several kinds share needs a kind.
func (a *app) resolve(arg string, kind sdk.Kind) (plugin.Entry, error) {
	if arg == "." || arg == ".." || strings.ContainsRune(arg, filepath.Separator) || !sdk.ValidName(arg) {
		return plugin.ReadManifest(arg)
	}
	registry := a.plugins()
	if kind != "" {
		return registry.Find(kind, arg)
	}
	var found []plugin.Entry
	var kinds []string
	var missing []error
	for _, kind := range sdk.Kinds {
		entry, err := registry.Find(kind, arg)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		found, kinds = append(found, entry), append(kinds, "a "+string(kind))
	}
	switch len(found) {
	case 0:
	case 1:
		return found[0], nil
	default:
		return plugin.Entry{}, withExit(exitUsage, fmt.Errorf("there is %s %s; say which with --kind", strings.Join(kinds, " and "), arg))
	}
	// A directory of that name, though its path was not written as one.
	entry, noDirectory := plugin.ReadManifest(arg)
	if noDirectory == nil {
		return entry, nil
	}
	if sdk.CodeOf(missing[0]) != sdk.CodePluginUnknown {
		return plugin.Entry{}, missing[0]
	}
	return plugin.Entry{}, errors.Join(append([]error{
		fmt.Errorf("no plugin %q is installed, and there is no directory of that name with a %s", arg, plugin.ManifestName),
	}, missing...)...)
}
