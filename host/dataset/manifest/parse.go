package manifest

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/deconfound/deconfound/sdk"
)

// Parse parses and checks the text of a manifest; file is its name in errors.
// It reports every unknown key at once, and otherwise the first mistakes found.
func Parse(file string, data []byte) (*Manifest, error) {
	m := &Manifest{file: file, positions: locate(string(data))}
	meta, err := toml.Decode(string(data), m)
	if err != nil {
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("%s:%d: %s", filepath.Base(file), syntax.Position.Line, syntax.Message)
		}
		return nil, fmt.Errorf("%s: %s", filepath.Base(file), strings.TrimPrefix(err.Error(), "toml: "))
	}
	if err := m.unknown(meta.Undecoded()); err != nil {
		return nil, err
	}
	m.fill()
	if err := m.validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// File is the name the manifest was parsed under.
func (m *Manifest) File() string { return m.file }

// Errorf makes an error about the key at path, such as "modality[0].columns",
// that begins with file and line.
func (m *Manifest) Errorf(path, format string, args ...any) error {
	where := filepath.Base(m.file)
	// A key that is absent is reported where its table begins.
	for at := path; at != ""; {
		if line, ok := m.positions[at]; ok {
			where = fmt.Sprintf("%s:%d", where, line)
			break
		}
		at = at[:max(strings.LastIndexAny(at, ".["), 0)]
	}
	return fmt.Errorf("%s: %s: %w", where, path, fmt.Errorf(format, args...))
}

var index = regexp.MustCompile(`\[\d+\]`)

// unknown reports keys that no field takes.
func (m *Manifest) unknown(keys []toml.Key) error {
	wanted := map[string]bool{}
	for _, key := range keys {
		wanted[strings.Join(key, ".")] = true
	}
	var errs []error
	reported := map[string]bool{}
	for _, path := range sortedByLine(m.positions) {
		plain := index.ReplaceAllString(path, "")
		if !wanted[plain] {
			continue
		}
		reported[plain] = true
		errs = append(errs, m.Errorf(path, "unknown key%s", suggestion(plain)))
	}
	for _, key := range keys {
		if plain := strings.Join(key, "."); !reported[plain] {
			errs = append(errs, m.Errorf(plain, "unknown key%s", suggestion(plain)))
		}
	}
	return errors.Join(errs...)
}

func sortedByLine(p positions) []string {
	paths := make([]string, 0, len(p))
	for path := range p {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int {
		if p[a] != p[b] {
			return p[a] - p[b]
		}
		return strings.Compare(a, b)
	})
	return paths
}

// suggestion names the key of the same table that is most like the last part of
// path, or lists them all.
func suggestion(path string) string {
	parts := strings.Split(path, ".")
	known := fields(reflect.TypeFor[Manifest](), parts[:len(parts)-1])
	if known == nil {
		return ""
	}
	if near := sdk.Nearest(parts[len(parts)-1], known); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return "; known here: " + strings.Join(known, ", ")
}

// fields returns the keys of the table at path, nil if it is not a table.
func fields(t reflect.Type, path []string) []string {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("toml")
		if tag == "" {
			continue
		}
		if len(path) > 0 && tag == path[0] {
			return fields(t.Field(i).Type, path[1:])
		}
		names = append(names, tag)
	}
	if len(path) > 0 {
		return nil
	}
	return names
}
