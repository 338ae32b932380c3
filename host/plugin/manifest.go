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
	"syscall"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// ManifestName is the file that makes a directory a plugin.
const ManifestName = "plugin.toml"

// startTimeout is the time to the handshake when the manifest says nothing.
const startTimeout = time.Minute

// Entry is an installed plugin: what its manifest says and where it lives.
type Entry struct {
	Kind sdk.Kind
	Name string
	// Dir is the plugin's directory, absolute.
	Dir string
	// Command is the program and its arguments. A program with a slash, or one
	// that lies in Dir, is relative to Dir; any other is looked up in PATH.
	Command []string
	// Env names the variables that are passed on besides the usual ones.
	Env []string
	// StartTimeout is the longest time from start to handshake.
	StartTimeout time.Duration
	// Memory is the limit of the own memory of the process and its group in bytes;
	// 0 is none.
	Memory int64
	// Script is nil for a plugin that speaks the contract of package sdk.
	Script *Script
}

func (e Entry) String() string { return string(e.Kind) + " " + e.Name }

// key tells installed plugins apart.
func (e Entry) key() string { return e.String() + "\x00" + e.Dir }

// manifest is plugin.toml as it is written.
type manifest struct {
	Plugin struct {
		Kind     string `toml:"kind"`
		Name     string `toml:"name"`
		Protocol int    `toml:"protocol"`
	} `toml:"plugin"`
	Exec struct {
		Command      []string `toml:"command"`
		Env          []string `toml:"env"`
		StartTimeout duration `toml:"start_timeout"`
		Memory       size     `toml:"memory"`
	} `toml:"exec"`
}

var manifestKeys = []string{"plugin", "kind", "name", "protocol", "exec", "command", "env", "start_timeout", "memory"}

// ReadManifest reads the plugin.toml of a directory, or its exec.toml. Errors have the code
// plugin_manifest and name file, line and key.
func ReadManifest(dir string) (Entry, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Entry{}, sdk.Wrap(sdk.CodePluginManifest, err, "find plugin directory")
	}
	if isScript(dir) {
		return readScript(dir)
	}
	path := filepath.Join(dir, ManifestName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return Entry{}, sdk.Errorf(sdk.CodePluginManifest, "%s is no plugin directory: it has no %s and no %s", dir, ManifestName, ScriptManifestName)
	}
	if err != nil {
		return Entry{}, sdk.Wrap(sdk.CodePluginManifest, err, "read manifest")
	}
	var m manifest
	meta, err := toml.Decode(string(text), &m)
	if err != nil {
		return Entry{}, sdk.Wrap(sdk.CodePluginManifest, err, "%s", path)
	}
	bad := func(key, format string, args ...any) error {
		return sdk.Errorf(sdk.CodePluginManifest, "%s:%d: %s", path, lineOf(string(text), key), fmt.Sprintf(format, args...))
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		key := unknown[0]
		last := key[len(key)-1]
		if near := sdk.Nearest(last, manifestKeys); near != "" {
			return Entry{}, bad(last, "unknown key %q, did you mean %q?", key, near)
		}
		return Entry{}, bad(last, "unknown key %q", key)
	}

	e := Entry{
		Kind:         sdk.Kind(m.Plugin.Kind),
		Name:         m.Plugin.Name,
		Dir:          dir,
		Command:      m.Exec.Command,
		Env:          m.Exec.Env,
		StartTimeout: time.Duration(m.Exec.StartTimeout),
		Memory:       int64(m.Exec.Memory),
	}
	if !slices.Contains(sdk.Kinds, e.Kind) {
		return Entry{}, bad("kind", "plugin.kind is %q, want one of %q", e.Kind, sdk.Kinds)
	}
	if !sdk.ValidName(e.Name) {
		return Entry{}, bad("name", "plugin.name is %q; it must start with a lower case letter and hold at most 64 of a-z, 0-9, - and _", e.Name)
	}
	if m.Plugin.Protocol != transport.Version {
		return Entry{}, bad("protocol", "plugin.protocol is %d, this host speaks %d; rebuild the plugin with the matching SDK", m.Plugin.Protocol, transport.Version)
	}
	if len(e.Command) == 0 || e.Command[0] == "" {
		return Entry{}, bad("command", "exec.command is empty; name the plugin's program, for example [\"./%s\"]", e.Name)
	}
	for _, name := range e.Env {
		if reason := forbidden(name); reason != "" {
			return Entry{}, bad("env", "exec.env must not name %s: %s", name, reason)
		}
	}
	if e.StartTimeout == 0 {
		e.StartTimeout = startTimeout
	}
	return e, nil
}

// lineOf finds the line that sets key, 1 if there is none.
func lineOf(text, key string) int {
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		name, _, _ := strings.Cut(trimmed, "=")
		if strings.TrimSpace(name) == key || trimmed == "["+key+"]" {
			return i + 1
		}
	}
	return 1
}

// duration is a time such as "90s" or "3m".
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is no duration, write for example \"90s\"", text)
	}
	*d = duration(v)
	return nil
}

// size is a number of bytes such as "4GiB".
type size int64

var sizePattern = regexp.MustCompile(`^([0-9]+) ?(KiB|MiB|GiB)$`)

func (s *size) UnmarshalText(text []byte) error {
	n, err := ParseSize(string(text))
	*s = size(n)
	return err
}

// ParseSize reads a number of bytes such as "512MiB" or "4GiB".
func ParseSize(text string) (int64, error) {
	m := sizePattern.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is no size, write for example \"512MiB\" or \"4GiB\"", text)
	}
	n, err := strconv.ParseInt(m[1], 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no size, write for example \"512MiB\" or \"4GiB\"", text)
	}
	return n << map[string]int{"KiB": 10, "MiB": 20, "GiB": 30}[m[2]], nil
}
