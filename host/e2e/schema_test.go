package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas are those of docs/json, by command, compiled once.
var schemas = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	out := map[string]*jsonschema.Schema{}
	paths, err := filepath.Glob("../../docs/json/*.json")
	if err != nil || len(paths) == 0 {
		return nil, errors.Join(err, errors.New("no schemas"))
	}
	compiler := jsonschema.NewCompiler()
	for _, path := range paths {
		if out[strings.TrimSuffix(filepath.Base(path), ".json")], err = compiler.Compile(path); err != nil {
			return nil, err
		}
	}
	return out, nil
})

// asDocumented holds what a command printed with --json against its schema, and
// answers the command.
func asDocumented(t testing.TB, args []string, out string) string {
	t.Helper()
	known, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") {
			words = append(words, arg)
		}
	}
	name := strings.Join(words[:min(2, len(words))], "-")
	if known[name] == nil {
		name = words[0]
	}
	if known[name] == nil {
		t.Fatalf("docs/json has no schema of %q", words)
	}
	n := 0
	for values := json.NewDecoder(strings.NewReader(out)); ; n++ {
		var v any
		if err := values.Decode(&v); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%q prints no JSON: %v\n%s", args, err, out)
		}
		if err := known[name].Validate(v); err != nil {
			t.Errorf("%q prints what docs/json does not say: %v", args, err)
		}
	}
	if n == 0 {
		return ""
	}
	return name
}

// saysJSON asks every command about the sweep quick, whose file is given, and holds
// the answers against their schemas; then the sweep is gone.
func (h *home) saysJSON(quick string) {
	h.t.Helper()
	found := h.sqlRows(`select min(run_id), max(run_id) from runs`)[0]
	a, b := itoa(int(found[0].(float64))), itoa(int(found[1].(float64)))
	text, err := os.ReadFile(filepath.Join(h.cwd(), quick))
	if err != nil {
		h.t.Fatal(err)
	}
	checkout, err := filepath.Abs("../..")
	if err != nil {
		h.t.Fatal(err)
	}
	longer := h.write("longer.toml", string(text))
	wrong := h.write("wrong.toml", strings.Replace(string(text), "[axes]", "[axis]", 1))
	h.asked = nil
	for _, line := range []string{
		"doctor", "init new.toml", "validate " + quick, "plan --recorded " + quick, "run " + quick,
		"plugin ls", "plugin show concat", "plugin lock", "plugin lock --check", "plugin new mine --sdk " + checkout,
		"data ls", "data audit nafld --resamples 10", "data add " + cohort{name: "tiny", label: binary, rows: 200}.write(h), "data share tiny", "data share tiny --stop",
		"sweep ls", "sweep status quick", "sweep watch quick", "sweep priority quick 20", "sweep pause quick", "sweep resume quick", "sweep cancel quick", "sweep resume quick",
		"sweep retry quick", "sweep extend " + longer + " --seeds 7", "runs ls quick", "runs show " + a, "runs logs " + a, "runs diff " + a + " " + b,
		"compare quick --resamples 50", "report quick --resamples 50 -o r.html", "export quick --dir taken",
		"sql --views", "db migrate", "db readers", "db retention", "db size", "db check", "db gc", "db vacuum", "mlflow export quick mlruns", "mlflow import mlruns --experiment quick --name again",
		"runs rerun " + b, "plugin check concat --only info", "sweep delete quick --confirm quick",
	} {
		h.must(append(strings.Fields(line), "--json")...)
	}
	h.must("sql", "--json", "select null::float8 as x, 'NaN'::float8 as y, now() as z")
	h.expect(3, "validate", "--json", wrong)
	h.uiSaysJSON()
	known, err := schemas()
	if err != nil {
		h.t.Fatal(err)
	}
	for name := range known {
		// They train for long: what they print is looked at by tests of their own.
		if !slices.Contains(h.asked, name) && !slices.Contains([]string{"demo", "study"}, name) {
			h.t.Errorf("nobody looked at what %s prints", name)
		}
	}
}

// uiSaysJSON asks the pages where they are.
func (h *home) uiSaysJSON() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	args := []string{"ui", "--json", "--listen", "127.0.0.1:0"}
	cmd := h.command(ctx, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	var answer json.RawMessage
	err = json.NewDecoder(out).Decode(&answer)
	if err := errors.Join(err, cmd.Process.Signal(syscall.SIGINT)); err != nil {
		h.t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		h.t.Error(err)
	}
	h.asked = append(h.asked, asDocumented(h.t, args, string(answer)))
}
