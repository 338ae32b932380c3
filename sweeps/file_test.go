package sweeps

import (
	"os"
	"strings"
	"testing"
)

func TestRetryPolicy(t *testing.T) {
	r := RetryPolicy{Max: 2, On: []string{"lost"}}
	if !r.Allows("lost", 1) || !r.Allows("lost", 2) || r.Allows("lost", 3) || r.Allows("nan", 1) {
		t.Error("lost must be retried twice, nan never")
	}
}

// Loading ends without a panic on any input.
func FuzzLoad(f *testing.F) {
	f.Add(demo(f))
	for _, dir := range []string{"positions", "parameters_when", "parameters_shape", "wrong_types", "exclude", "syntax"} {
		text, err := os.ReadFile("testdata/bad/" + dir + "/sweep.toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a = [[[1]],{b={c=1}}]\n[[x.y]]\n[x.y.z]\n\"\"\"=3")
	f.Fuzz(func(t *testing.T, text string) {
		scanPositions(text)
		file, err := Parse("sweep.toml", []byte(text))
		if err != nil && err.Error() == "" {
			t.Fatal("an error without a message")
		}
		if file == nil {
			return
		}
		if plan, compiled := Compile(file, anyName{}); err != nil && (plan != nil || compiled == nil) {
			t.Fatal("a file with a mistake makes a plan")
		}
	})
}

func TestLoad(t *testing.T) {
	if _, err := Load("testdata/good/demo.toml"); err != nil {
		t.Error(err)
	}
	if _, err := Load("testdata/good/absent.toml"); err == nil || !strings.Contains(err.Error(), "read sweep") {
		t.Errorf("got %v", err)
	}
}

// A mistake found elsewhere gets the place of its key, or of what is around it.
func TestFile_Problem(t *testing.T) {
	f, err := Load("testdata/good/demo.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"missingness", "absent"} {
		p := f.Problem("is wrong", "variants", "md", key)
		line := strings.Split(string(f.Text), "\n")[p.Line-1]
		if want := "variants.md." + key; p.Key != want || p.File != f.Path || p.Message != "is wrong" {
			t.Errorf("got %+v", p)
		}
		if begin := map[string]string{"missingness": "missingness", "absent": "[variants.md]"}[key]; !strings.HasPrefix(line, begin) {
			t.Errorf("%s is placed at line %d, %q", key, p.Line, line)
		}
	}
}

// anyName is a catalog in which every name exists; the program's own tests
// check the shipped sweeps against what is really there.
type anyName struct{}

func (anyName) Dataset(name string) (DatasetInfo, error) {
	return DatasetInfo{Name: name, Hash: "d", Groups: []string{"sex", "age_band"}, Task: "binary"}, nil
}
func (anyName) Backbone(name string) (PluginInfo, error) {
	return PluginInfo{Name: name, Version: "1", Hash: "b", Parameters: []Parameter{
		{Name: "dropout", Type: "float", Default: 0.1}, {Name: "hidden", Type: "int", Default: int64(32)},
	}}, nil
}
func (anyName) Generator(string) ([]Parameter, error) {
	return []Parameter{{Name: "scenario", Type: "string", Default: "S0"}, {Name: "mixing", Type: "string", Default: "none"}}, nil
}
func (anyName) Generate(name, generator string, settings Settings) (DatasetInfo, error) {
	return DatasetInfo{Name: name, Hash: "g", Generator: generator, Settings: settings, Task: "binary", Truth: true}, nil
}
func (anyName) Strategy(name string) (PluginInfo, error) {
	return PluginInfo{Name: name, Version: "1", Hash: "s"}, nil
}
func (anyName) Component(string) []Parameter {
	var out []Parameter
	for _, name := range []string{"mode", "split", "difficulty", "independence", "predict"} {
		out = append(out, Parameter{Name: name, Type: "string", Default: "x"})
	}
	out = append(out, Parameter{Name: "mechanism", Type: "string"}) // empty unless given
	out = append(out, Parameter{Name: "mask_do", Type: "bool", Default: false})
	for _, name := range []string{"swap_weight", "independence_weight"} {
		out = append(out, Parameter{Name: name, Type: "float", Default: 1.0})
	}
	return out
}

func TestShipped(t *testing.T) {
	for name, want := range map[string]int{
		"nafld_demo.toml": 12*2 + 12*5, "quick.toml": 2 * 2, "reference.toml": 5 * 5,
		"mm_conf_study.toml": (8*4*4 + 4*2) * 5, "real_study.toml": 5 * 6 * 4 * 5, "real_study_site.toml": 3 * 6 * 4 * 5,
	} {
		text, err := Shipped.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := Compile(file, anyName{})
		if err != nil {
			t.Fatal(err)
		}
		if got := plan.Summarize(nil, 1).Runs; got != want {
			t.Errorf("%s: got %d runs, want %d", name, got, want)
		}
	}
}
