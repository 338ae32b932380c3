package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/sweeps/search"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// output is what a command prints with --json.
type output struct {
	of []any // a value of each type that it may be
	// stream says in words how many values are printed, where it is not one.
	stream string
}

// outputs are those of all commands; nil prints no data, for the reason given in
// silent.
var outputs = map[string]output{
	"compare":               {of: []any{compared{}, importedComparison{}, selectionAudit{}}},
	"data add":              {of: []any{dataset.Audit{}, invalid{}}},
	"data audit":            {of: []any{auditPage{}}},
	"data ls":               {of: []any{[]listedDataset{}}},
	"data share":            {of: []any{sharing{}}},
	"db readers":            {of: []any{[]tracker.SweepReader{}}},
	"db check":              {of: []any{[]tracker.Finding{}}},
	"db gc":                 {of: []any{collected{}}},
	"db migrate":            {of: []any{migrated{}}},
	"db retention":          {of: []any{retentions{}}},
	"db size":               {of: []any{taken{}}},
	"db vacuum":             {of: []any{vacuumed{}}},
	"demo":                  {of: []any{compared{}, sweeps.Status{}}, stream: "one comparison after another, of the test sets id, do and flip; the status where runs failed"},
	"doctor":                {of: []any{[]finding{}}},
	"export":                {of: []any{[]exportedFile{}}},
	"init":                  {of: []any{begun{}}},
	"mlflow export":         {of: []any{exportedExperiment{}}},
	"mlflow import":         {of: []any{[]importedSweep{}}},
	"plan":                  {of: []any{planned{}, invalid{}}},
	"plugin check":          {of: []any{checked{}}},
	"plugin lock":           {of: []any{[]lockedPlugin{}}},
	"plugin ls":             {of: []any{[]listedPlugin{}}},
	"plugin new":            {of: []any{scaffolded{}}},
	"plugin show":           {of: []any{shownPlugin{}}},
	"report":                {of: []any{written{}}},
	"run":                   {of: []any{sweeps.Status{}, invalid{}}},
	"runs diff":             {of: []any{shown.RunsDiff{}}},
	"runs logs":             {of: []any{runLog{}}},
	"runs ls":               {of: []any{[]tracker.Run{}}},
	"runs rerun":            {of: []any{reran{}}},
	"runs show":             {of: []any{shownRun{}}},
	"sql":                   {of: []any{shown.Answer{}, []tracker.View{}}},
	"study":                 {of: []any{study{}, sweeps.Status{}, invalid{}}},
	"sweep cancel":          {of: []any{sweeps.Status{}}},
	"sweep delete":          {of: []any{deleted{}}},
	"sweep extend":          {of: []any{extended{}, invalid{}}},
	"sweep ls":              {of: []any{[]tracker.SweepStatus{}}},
	"sweep pause":           {of: []any{sweeps.Status{}}},
	"sweep priority":        {of: []any{sweeps.Status{}}},
	"sweep resume":          {of: []any{sweeps.Status{}}},
	"sweep retry":           {of: []any{retried{}}},
	"sweep status":          {of: []any{sweeps.Status{}}},
	"sweep watch":           {of: []any{watched{}}, stream: "a line for each change, until the sweep has ended"},
	"ui":                    {of: []any{served{}}, stream: "one value, as soon as the pages can be read"},
	"validate":              {of: []any{valid{}, invalid{}}},
	"worker":                {},
	"completion bash":       {},
	"completion zsh":        {},
	"completion fish":       {},
	"completion powershell": {},
}

// commands calls f with every command that people see and can run, by its path
// without the program's name.
func commands(f func(name string, cmd *cobra.Command)) {
	root := newRoot(&app{})
	root.InitDefaultCompletionCmd()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			if !c.Hidden && c.Name() != "help" {
				if !c.HasSubCommands() {
					f(strings.TrimPrefix(c.CommandPath(), root.Name()+" "), c)
				}
				walk(c)
			}
		}
	}
	walk(root)
}

// Every command takes --json and says what it then prints.
func TestJSON_EveryCommand(t *testing.T) {
	known := maps.Clone(outputs)
	commands(func(name string, cmd *cobra.Command) {
		if _, ok := known[name]; !ok {
			t.Errorf("%s is not among outputs: what does it print with --json?", name)
		}
		delete(known, name)
		if cmd.InheritedFlags().Lookup("json") == nil {
			t.Errorf("%s has no --json", name)
		}
	})
	for name := range known {
		t.Errorf("%s is among outputs, and no command", name)
	}
}

var (
	numberTypes = []reflect.Type{reflect.TypeFor[shown.Number](), reflect.TypeFor[stats.Number](), reflect.TypeFor[search.Number]()}
	anything    = []reflect.Type{reflect.TypeFor[sweeps.Settings](), reflect.TypeFor[sdk.Hyperparameter]()}
	rawValue    = reflect.TypeFor[json.RawMessage]()
)

// schemas makes the schema of types as encoding/json writes them.
type schemas struct {
	jsonschema.Reflector
	seen map[reflect.Type]bool
}

func newSchemas(t *testing.T) *schemas {
	t.Helper()
	s := &schemas{}
	s.Anonymous = true
	s.Namer = func(t reflect.Type) string {
		if t.Name() == "" {
			return "" // a list or a map
		}
		pkg := path.Base(t.PkgPath())
		return strings.TrimPrefix(pkg+"."+t.Name(), "deconfound.")
	}
	s.Mapper = func(t reflect.Type) *jsonschema.Schema {
		switch {
		case slices.Contains(numberTypes, t):
			return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "number"}, {Type: "null"}}, Description: "null where it is undefined"}
		case slices.Contains(anything, t):
			return &jsonschema.Schema{Type: "object"}
		}
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("../../..")
	for _, pkg := range []string{"host/cmd/deconfound", "host/dataset", "host/diagnose", "host/stats", "host/plugin", "sdk", "sweeps", "tracker"} {
		if err := s.AddGoComments("github.com/deconfound/deconfound", "./"+pkg); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	comments := ownComments(t)
	s.LookupComment = func(t reflect.Type, field string) string {
		return comments[strings.TrimSuffix(t.Name()+"."+field, ".")]
	}
	return s
}

// ownComments are those of this package's types, by type and by type.Field, which
// the reflector leaves out because the types are not exported.
func ownComments(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			general, ok := d.(*ast.GenDecl)
			if !ok || general.Tok != token.TYPE {
				continue
			}
			for _, spec := range general.Specs {
				of, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				out[of.Name.Name] = strings.TrimSpace(general.Doc.Text())
				fields, ok := of.Type.(*ast.StructType)
				if !ok {
					continue
				}
				for _, f := range fields.Fields.List {
					for _, n := range f.Names {
						out[of.Name.Name+"."+n.Name] = strings.TrimSpace(cmp.Or(f.Doc.Text(), f.Comment.Text()))
					}
				}
			}
		}
	}
	return out
}

// of is the schema of what a command prints.
func (s *schemas) of(name string, out output) map[string]any {
	all := &jsonschema.Schema{Version: jsonschema.Version, Title: "deconfound " + name + " --json", Description: out.stream, Definitions: jsonschema.Definitions{}}
	s.seen = map[reflect.Type]bool{}
	for _, v := range out.of {
		one := s.Reflect(v)
		one.Version = ""
		maps.Copy(all.Definitions, one.Definitions)
		one.Definitions = nil
		all.AnyOf = append(all.AnyOf, one)
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		panic(err)
	}
	for i, v := range out.of {
		if t := reflect.TypeOf(v); t.Kind() == reflect.Slice {
			tree["anyOf"].([]any)[i] = nullable(tree["anyOf"].([]any)[i])
		}
		s.nulls(reflect.TypeOf(v), tree["$defs"].(map[string]any))
	}
	if len(out.of) == 1 {
		maps.Copy(tree, tree["anyOf"].([]any)[0].(map[string]any))
		delete(tree, "anyOf")
	}
	return tree
}

// nulls lets the fields be null that encoding/json writes so: pointers, slices and
// maps that are not left out when they are empty.
func (s *schemas) nulls(t reflect.Type, definitions map[string]any) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || s.seen[t] || slices.Contains(anything, t) {
		return
	}
	s.seen[t] = true
	definition, _ := definitions[s.Namer(t)].(map[string]any)
	properties, _ := definition["properties"].(map[string]any)
	for _, f := range reflect.VisibleFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || tag == "-" {
			continue
		}
		s.nulls(f.Type, definitions)
		if tag == "" {
			tag = f.Name
		}
		field, ok := properties[tag]
		if !ok || options == "omitempty" || f.Type == rawValue || slices.Contains(anything, f.Type) {
			continue
		}
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			properties[tag] = nullable(field)
		}
	}
}

// nullable is a schema that allows null, too. Its text stays in front.
func nullable(schema any) any {
	text, ok := schema.(map[string]any)
	if !ok {
		return schema // anything
	}
	out := map[string]any{"anyOf": []any{text, map[string]any{"type": "null"}}}
	if d, ok := text["description"]; ok {
		out["description"] = d
		delete(text, "description")
	}
	return out
}

const schemaDir = "../../../docs/json"

func schemaFile(name string) string { return strings.ReplaceAll(name, " ", "-") + ".json" }

// docs/json holds the schema of every command, as the types are now.
func TestJSON_Schemas(t *testing.T) {
	s := newSchemas(t)
	want := map[string]string{}
	index := "# What commands print with --json\n\nOne JSON schema (draft 2020-12) for each command that prints data. Fields may be added in a new version; those that are there keep their name and meaning. A number that is undefined is null. Errors are on the standard error output and in the exit code; a sweep or dataset file with mistakes is answered by `{\"valid\": false, \"problems\": [...]}`.\n\n| command | schema | |\n|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		out := outputs[name]
		if out.of == nil {
			continue
		}
		text, err := json.MarshalIndent(s.of(name, out), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want[schemaFile(name)] = string(text) + "\n"
		index += fmt.Sprintf("| `deconfound %s` | [%s](%s) | %s |\n", name, schemaFile(name), schemaFile(name), out.stream)
	}
	want["README.md"] = index
	files, err := filepath.Glob(schemaDir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, ok := want[filepath.Base(file)]; !ok {
			t.Errorf("%s is of no command", file)
		}
	}
	for name, text := range want {
		file := filepath.Join(schemaDir, name)
		got, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if bytes.Equal(got, []byte(text)) {
			continue
		}
		t.Errorf("%s is not that of the types (go test ./host/cmd/deconfound -run JSON_Schemas -update writes it):\n%s", file, diff.Diff(string(got), text))
		if *update {
			if err := os.MkdirAll(schemaDir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
