package sweeps

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/BurntSushi/toml"
)

// document is a decoded TOML file and the problems found in it so far.
type document struct {
	file     string
	at       *positions
	tree     map[string]any
	problems Problems
}

// parseDocument decodes text. A syntax error is the only problem it can report.
func parseDocument(file string, text []byte) (*document, value, error) {
	tree := map[string]any{}
	if _, err := toml.Decode(string(text), &tree); err != nil {
		problem := Problem{File: file, Message: err.Error()}
		var syntax toml.ParseError
		if errors.As(err, &syntax) {
			problem.Line, problem.Column = syntax.Position.Line, max(1, syntax.Position.Col)
			problem.Message = "not valid TOML: " + syntax.Message
		}
		return nil, value{}, Problems{problem}
	}
	doc := &document{file: file, at: scanPositions(string(text)), tree: tree}
	root := value{doc: doc, v: tree}
	for _, path := range doc.at.multiline {
		doc.report(path, "an inline table must be on one line (TOML 1.0); use a [table] for long ones")
	}
	return doc, root, nil
}

// item is the path of a name in an array: elements that could not be read are
// not counted among the names.
func (d *document) item(array keyPath, name string) keyPath {
	var v any = d.tree
	for _, key := range array {
		table, _ := v.(map[string]any)
		v = table[key]
	}
	items, _ := v.([]any)
	if i := slices.Index(items, any(name)); i >= 0 {
		return array.index(i)
	}
	return array
}

// written reports whether the file has a value at a path of keys.
func (d *document) written(path keyPath) bool {
	var v any = d.tree
	for _, key := range path {
		table, _ := v.(map[string]any)
		v = table[key]
	}
	return v != nil
}

// wrong reports whether there is a problem at a path or below it.
func (d *document) wrong(path keyPath) bool {
	key := path.String()
	return slices.ContainsFunc(d.problems, func(p Problem) bool {
		rest, ok := strings.CutPrefix(p.Key, key)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// report adds a problem, once.
func (d *document) report(path keyPath, format string, args ...any) {
	at := d.at.of(path)
	problem := Problem{
		File: cmp.Or(at.file, d.file), Line: at.line, Column: at.column, Key: path.String(),
		Message: fmt.Sprintf(format, args...),
	}
	if !slices.Contains(d.problems, problem) {
		d.problems = append(d.problems, problem)
	}
}

// value is a TOML value with its place. The reading methods report a wrong type
// and answer false; reading an absent value (nil) answers false in silence.
type value struct {
	doc  *document
	path keyPath
	v    any
}

func (v value) present() bool { return v.v != nil }

func (v value) report(format string, args ...any) { v.doc.report(v.path, format, args...) }

func (v value) wrongType(want string) {
	v.report("must be %s, found %s", want, describe(v.v))
}

// describe names a TOML value for a message.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return "the string " + strconv.Quote(v)
	case int64, float64, bool:
		return fmt.Sprintf("%v", v)
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "an array"
	}
	return fmt.Sprintf("%T", v)
}

// show writes a scalar as TOML does.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case float64:
		return formatFloat(v)
	}
	return fmt.Sprint(v)
}

// get returns the value of a key; its v is nil if the key is absent.
func (v value) get(key string) value {
	table, _ := v.v.(map[string]any)
	return value{v.doc, v.path.child(key), table[key]}
}

// keys returns the keys of a table in alphabetical order.
func (v value) keys() []string {
	table, _ := v.v.(map[string]any)
	keys := make([]string, 0, len(table))
	for key := range table {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// table reports anything but a table, and keys that are not among known.
func (v value) table(known ...string) bool {
	if !v.anyTable() {
		return false
	}
	for _, key := range v.keys() {
		if !slices.Contains(known, key) {
			v.get(key).report("unknown key%s", suggest(key, known))
		}
	}
	return true
}

func (v value) anyTable() bool {
	if !v.present() {
		return false
	}
	if _, ok := v.v.(map[string]any); !ok {
		v.wrongType("a table")
		return false
	}
	return true
}

func (v value) str() (string, bool) {
	if !v.present() {
		return "", false
	}
	s, ok := v.v.(string)
	if !ok {
		v.wrongType("a string")
	}
	return s, ok
}

// nameCharacters may stand in a name beside letters and digits. The others have
// a meaning of their own in metric and cell names.
const nameCharacters = "_-.+"

// name reads a string that identifies something; other holds further characters
// that it may contain.
func (v value) name(other ...string) (string, bool) {
	s, ok := v.str()
	if !ok {
		return "", false
	}
	if s == "" {
		v.report("must not be empty")
		return "", false
	}
	allowed := nameCharacters + strings.Join(other, "")
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(allowed, r) {
			v.report("%q contains %q; use letters, digits and %s only", s, r, strings.Join(strings.Split(allowed, ""), " "))
			return "", false
		}
	}
	return s, true
}

func (v value) integer(minimum int64) (int64, bool) {
	if !v.present() {
		return 0, false
	}
	i, ok := v.v.(int64)
	if !ok {
		v.wrongType("a whole number")
		return 0, false
	}
	if i < minimum {
		v.report("is %d, it must be at least %d", i, minimum)
		return 0, false
	}
	if i > math.MaxInt32 {
		v.report("is %d, it must be at most %d", i, math.MaxInt32)
		return 0, false
	}
	return i, true
}

// number reads a finite number; whole numbers are accepted.
func (v value) number() (float64, bool) {
	if !v.present() {
		return 0, false
	}
	f, ok := toFloat(v.v)
	if !ok {
		v.wrongType("a number")
		return 0, false
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		v.report("must be a finite number, found %v", f)
		return 0, false
	}
	return f, true
}

// list returns the elements of an array.
func (v value) list() ([]value, bool) {
	if !v.present() {
		return nil, false
	}
	var items []any
	switch array := v.v.(type) {
	case []any:
		items = array
	case []map[string]any:
		for _, table := range array {
			items = append(items, table)
		}
	default:
		v.wrongType("an array")
		return nil, false
	}
	out := make([]value, len(items))
	for i, item := range items {
		out[i] = value{v.doc, v.path.index(i), item}
	}
	return out, true
}

// names reads an array of distinct names, with the characters of name.
func (v value) names(other ...string) []string {
	items, _ := v.list()
	var out []string
	for _, item := range items {
		name, ok := item.name(other...)
		switch {
		case !ok:
		case slices.Contains(out, name):
			item.report("%q is listed twice; remove one", name)
		default:
			out = append(out, name)
		}
	}
	return out
}

// choice reads a string that is one of the given ones.
func (v value) choice(known ...string) (string, bool) {
	s, ok := v.str()
	if !ok {
		return "", false
	}
	if !slices.Contains(known, s) {
		v.report("%q is not available%s", s, suggest(s, known))
		return "", false
	}
	return s, true
}

// scalar reads a string, a finite number or a boolean.
func (v value) scalar() (any, bool) {
	switch x := v.v.(type) {
	case nil:
		return nil, false
	case string:
		if strings.ContainsFunc(x, unicode.IsControl) {
			v.report("must not contain control characters")
			return nil, false
		}
		return x, true
	case bool, int64:
		return x, true
	case float64:
		_, ok := v.number()
		return x, ok
	}
	v.wrongType("a string, a number or a boolean")
	return nil, false
}

func toFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	}
	return 0, false
}
