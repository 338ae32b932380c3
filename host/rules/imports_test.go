package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rule is about the imports of the packages under some directories.
type rule struct {
	// from are the directories the rule binds; except are left out of them.
	from, except []string
	// never lists what must not be imported, not even through another package.
	never []string
	// neverDirectly lists what must not be imported by the packages themselves,
	// their tests included.
	neverDirectly []string
	// only, if not nil, lists what may be imported directly beside the standard
	// library, tests included.
	only []string
	why  string
}

const (
	pgx      = "github.com/jackc/pgx"
	river    = "github.com/riverqueue"
	goose    = "github.com/pressly/goose"
	goPlugin = "github.com/hashicorp/go-plugin"
	toml     = "github.com/BurntSushi/toml"
	gorgonia = "gorgonia.org"
	gonum    = "gonum.org"
)

func own(dir string) string { return module + "/" + dir }

var rules = []rule{
	{
		from:  []string{"sdk"},
		never: []string{own("host"), own("tracker"), own("sweeps"), own("migrations"), own("plugins"), pgx, river, goose, toml},
		why:   "the SDK is what a plugin author compiles: it must not drag in the host, and a plugin must have no code that reaches the database",
	},
	{
		from: []string{"plugins"},
		only: []string{own("sdk"), gorgonia, gonum},
		why:  "a shipped plugin must be writable by anyone with the SDK alone",
	},
	{
		from:  []string{"tracker"},
		never: []string{goPlugin, own("host"), own("sweeps"), own("plugins"), gorgonia},
		why:   "the store must be usable without plugins, from any program that reads results",
	},
	{
		from:  []string{"migrations"},
		never: []string{own("host"), own("sdk"), own("sweeps"), own("tracker"), own("plugins"), pgx},
		why:   "migrations are files; who applies them is the tracker's business",
	},
	{
		from:          []string{"sweeps"},
		never:         []string{own("host"), own("plugins"), goPlugin, gorgonia},
		neverDirectly: []string{own("sdk")},
		why:           "a sweep schedules runs and knows nothing of models: it is given a function that trains",
	},
	{
		from:  []string{"host/dataset", "host/causal", "host/diagnose", "host/stats", "host/scm"},
		never: []string{pgx, river, goose, "database/sql$", goPlugin, own("tracker"), own("sweeps"), own("plugins")},
		why:   "data, methods and statistics are pure: they are tested without a database and without processes",
	},
	{
		from:  []string{"host", "tracker", "sweeps", "migrations"},
		never: []string{gorgonia},
		why:   "gorgonia is linked into plugins only: the host must not pay for it, nor depend on the garbage collector it assumes",
	},
	{
		from:          []string{"sdk", "plugins"},
		except:        []string{"sdk/graph", "plugins"},
		neverDirectly: []string{gorgonia},
		why:           "sdk/graph is the only door to gorgonia, with the workarounds it needs",
	},
	{
		from:          []string{"sdk", "plugins", "host", "tracker", "sweeps", "migrations"},
		except:        []string{"sdk/pb", "sdk/transport"},
		neverDirectly: []string{own("sdk/pb")},
		why:           "wire types stop at sdk/transport, the one place that converts them",
	},
	{
		from:          []string{"sdk", "plugins", "host", "tracker", "sweeps", "migrations"},
		neverDirectly: []string{own("host/cmd")},
		why:           "host/cmd wires everything together; what others need from it belongs in a package",
	},
	{
		from:          []string{"sdk", "plugins", "host", "tracker", "sweeps", "migrations"},
		neverDirectly: []string{"math/rand$", "gorgonia.org/cu"},
		why:           "random draws are keyed by sdk/rng, which is built on math/rand/v2; CUDA is not supported",
	},
}

type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Deps                               []string
	Standard                           bool
	Module                             *struct{ Main bool }
}

// list asks the go command; -e because a rule can be judged although something
// else does not compile yet.
func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = root(t)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, failure.String())
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// under reports whether an import path is that of a directory or below it; a
// trailing $ means the path alone.
func under(path, prefix string) bool {
	if exact, ok := strings.CutSuffix(prefix, "$"); ok {
		return path == exact
	}
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func (r rule) binds(p goPackage) bool {
	is := func(dir string) bool { return under(p.ImportPath, own(dir)) }
	return slices.ContainsFunc(r.from, is) && !slices.ContainsFunc(r.except, is)
}

// violations returns the imports that break the rule.
func (r rule) violations(p goPackage) []string {
	var bad []string
	direct := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
	for _, i := range p.Deps {
		if slices.ContainsFunc(r.never, func(n string) bool { return under(i, n) }) {
			bad = append(bad, i)
		}
	}
	for _, i := range direct {
		inside := under(i, p.ImportPath) || under(p.ImportPath, i)
		if !inside && slices.ContainsFunc(slices.Concat(r.never, r.neverDirectly), func(n string) bool { return under(i, n) }) {
			bad = append(bad, i)
		}
		if r.only != nil && !inside && strings.Contains(strings.Split(i, "/")[0], ".") &&
			!slices.ContainsFunc(r.only, func(n string) bool { return under(i, n) }) {
			bad = append(bad, i)
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

func TestImports(t *testing.T) {
	packages := list(t)
	if len(packages) == 0 {
		t.Fatal("go list finds no packages")
	}
	for _, r := range rules {
		for _, p := range packages {
			if !r.binds(p) {
				continue
			}
			for _, bad := range r.violations(p) {
				t.Errorf("%s imports %s\n\trule for %s: %s", p.ImportPath, bad, strings.Join(r.from, ", "), r.why)
			}
		}
	}
}

// A rule that can no longer fail protects nothing.
func TestImports_RulesBite(t *testing.T) {
	for _, c := range []struct {
		p    goPackage
		want string
	}{
		{goPackage{ImportPath: own("sdk/serve"), Deps: []string{own("host/stats")}}, own("host/stats")},
		{goPackage{ImportPath: own("sdk/serve"), TestImports: []string{toml}}, toml},
		{goPackage{ImportPath: own("plugins/backbone/x"), Imports: []string{"github.com/google/uuid"}}, "github.com/google/uuid"},
		{goPackage{ImportPath: own("plugins/backbone/x"), Imports: []string{own("host/stats")}}, own("host/stats")},
		{goPackage{ImportPath: own("tracker/query"), Deps: []string{goPlugin}}, goPlugin},
		{goPackage{ImportPath: own("sweeps"), Imports: []string{own("sdk/rng")}}, own("sdk/rng")},
		{goPackage{ImportPath: own("host/stats"), Deps: []string{pgx + "/v5"}}, pgx + "/v5"},
		{goPackage{ImportPath: own("host/cmd/deconfound"), Deps: []string{gorgonia + "/tensor"}}, gorgonia + "/tensor"},
		{goPackage{ImportPath: own("sdk/nn"), Imports: []string{gorgonia + "/tensor"}}, gorgonia + "/tensor"},
		{goPackage{ImportPath: own("host/train"), Imports: []string{own("sdk/pb/v1")}}, own("sdk/pb/v1")},
		{goPackage{ImportPath: own("host/e2e"), XTestImports: []string{own("host/cmd/deconfound")}}, own("host/cmd/deconfound")},
		{goPackage{ImportPath: own("sdk/nn"), Imports: []string{"math/rand"}}, "math/rand"},
	} {
		found := slices.ContainsFunc(rules, func(r rule) bool { return r.binds(c.p) && slices.Contains(r.violations(c.p), c.want) })
		if !found {
			t.Errorf("no rule keeps %s from importing %s", c.p.ImportPath, c.want)
		}
	}
	for _, good := range []goPackage{
		{ImportPath: own("plugins/backbone/x"), Imports: []string{"fmt", own("sdk/serve"), gonum + "/v1/gonum/mat", gorgonia + "/gorgonia", own("plugins/backbone/x/y")}},
		{ImportPath: own("sdk/graph"), Imports: []string{gorgonia + "/gorgonia"}},
		{ImportPath: own("sdk/rng"), Imports: []string{"math/rand/v2"}},
		{ImportPath: own("sweeps"), Imports: []string{own("tracker")}, Deps: []string{pgx}},
	} {
		for _, r := range rules {
			if r.binds(good) && len(r.violations(good)) > 0 {
				t.Errorf("the rule for %v forbids %v to %s", r.from, r.violations(good), good.ImportPath)
			}
		}
	}
}
