package plugin

import "strings"

// passed are the variables every plugin gets if the host has them.
var passed = []string{"PATH", "HOME", "TMPDIR", "LANG"}

// forbidden says why a manifest must not ask for a variable, or "".
func forbidden(name string) string {
	switch {
	case name == "" || strings.ContainsAny(name, "=\x00 "):
		return "it is no name of a variable"
	case strings.HasPrefix(name, "PG"):
		return "it may hold database credentials"
	case strings.HasPrefix(name, "DECONFOUND_"):
		return "the host's own settings, DECONFOUND_DSN among them, stay with the host"
	case strings.HasPrefix(name, "PLUGIN_"):
		return "it belongs to the handshake"
	}
	return ""
}

// environment is what a plugin gets of the host's environment: an allow-list,
// so that a secret added to the host tomorrow does not reach plugins either.
func environment(asked []string, lookup func(string) (string, bool)) []string {
	var env []string
	seen := map[string]bool{}
	for _, list := range [][]string{passed, asked} {
		for _, name := range list {
			if seen[name] || forbidden(name) != "" {
				continue
			}
			seen[name] = true
			if value, ok := lookup(name); ok {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}
