package plugin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// Directories are where plugins are looked for, in the order of precedence:
// $DECONFOUND_PLUGIN_PATH (a list), the user's own below $XDG_DATA_HOME, and
// those that came with the program, in plugins/ beside it.
func Directories(executable string, getenv func(string) string) []string {
	var dirs []string
	for _, dir := range filepath.SplitList(getenv("DECONFOUND_PLUGIN_PATH")) {
		if dir != "" {
			dirs = append(dirs, dir)
		}
	}
	data := getenv("XDG_DATA_HOME")
	if data == "" && getenv("HOME") != "" {
		data = filepath.Join(getenv("HOME"), ".local", "share")
	}
	if data != "" {
		dirs = append(dirs, filepath.Join(data, "deconfound", "plugins"))
	}
	if executable != "" {
		dirs = append(dirs, filepath.Join(filepath.Dir(executable), "plugins"))
	}
	return dirs
}

// Registry is the set of installed plugins. It does not change after Scan.
type Registry struct {
	dirs     []string
	entries  []Entry
	problems []error
}

// Scan reads the manifests below the given directories: one folder per plugin,
// or one folder per kind with one folder per plugin. Of two plugins with the
// same kind and name the first found counts. A directory that does not exist is
// no error, and an unusable manifest is a problem of that plugin alone.
func Scan(dirs ...string) *Registry {
	r := &Registry{dirs: dirs}
	taken := map[string]bool{}
	for _, dir := range dirs {
		for _, folder := range folders(dir) {
			e, err := ReadManifest(folder)
			if err != nil {
				r.problems = append(r.problems, err)
				continue
			}
			if key := e.String(); !taken[key] {
				taken[key] = true
				r.entries = append(r.entries, e)
			}
		}
	}
	slices.SortFunc(r.entries, func(a, b Entry) int { return strings.Compare(a.String(), b.String()) })
	return r
}

// folders returns the directories with a manifest, sorted.
func folders(dir string) []string {
	var out []string
	for _, pattern := range []string{"*", filepath.Join("*", "*")} {
		for _, name := range []string{ManifestName, ScriptManifestName} {
			found, _ := filepath.Glob(filepath.Join(dir, pattern, name))
			for _, path := range found {
				out = append(out, filepath.Dir(path))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// List returns the plugins of a kind by name, all kinds for "".
func (r *Registry) List(kind sdk.Kind) []Entry {
	var out []Entry
	for _, e := range r.entries {
		if kind == "" || e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// Problems are the manifests that could not be used.
func (r *Registry) Problems() []error { return slices.Clone(r.problems) }

// Find returns the plugin of a kind and name. Errors have the code
// plugin_unknown and say what there is instead.
func (r *Registry) Find(kind sdk.Kind, name string) (Entry, error) {
	var names []string
	for _, e := range r.List(kind) {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	for _, problem := range r.problems {
		if strings.Contains(problem.Error(), string(filepath.Separator)+name+string(filepath.Separator)) {
			return Entry{}, problem
		}
	}
	if near := sdk.Nearest(name, names); near != "" {
		return Entry{}, sdk.Errorf(sdk.CodePluginUnknown, "there is no %s %q, did you mean %q?", kind, name, near)
	}
	for _, e := range r.entries {
		if e.Name == name {
			return Entry{}, sdk.Errorf(sdk.CodePluginUnknown, "there is no %s %q, but a %s of that name", kind, name, e.Kind)
		}
	}
	if len(names) == 0 {
		return Entry{}, sdk.Errorf(sdk.CodePluginUnknown, "there is no %s %q: no %s is installed in %s", kind, name, kind, strings.Join(r.dirs, ", "))
	}
	return Entry{}, sdk.Errorf(sdk.CodePluginUnknown, "there is no %s %q; installed are %s", kind, name, strings.Join(names, ", "))
}

// program returns the path of the plugin's executable.
func (e Entry) program() (string, error) {
	name := e.Command[0]
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(e.Dir, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !strings.ContainsRune(name, filepath.Separator) {
			found, err := lookPath(name)
			if err != nil {
				return "", sdk.Errorf(sdk.CodePluginStart, "%s: program %q is neither in %s nor in PATH", e, name, e.Dir)
			}
			return found, nil
		}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", sdk.Errorf(sdk.CodePluginStart, "%s: program %s does not exist; build the plugin first", e, path)
	case err != nil:
		return "", sdk.Wrap(sdk.CodePluginStart, err, "%s", e)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return "", sdk.Errorf(sdk.CodePluginStart, "%s: %s is not executable", e, path)
	}
	return path, nil
}
