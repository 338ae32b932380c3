package rules

import (
	"encoding/json"
	"os/exec"
	"testing"
)

func TestGoMod(t *testing.T) {
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module           struct{ Path string }
		Toolchain        string
		Replace, Exclude []json.RawMessage
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != module {
		t.Errorf("the module is %s, want %s", mod.Module.Path, module)
	}
	if len(mod.Replace) > 0 || len(mod.Exclude) > 0 {
		t.Errorf("go.mod has %s %s\n\trule: no replace and no exclude: they hold for this module alone, so a plugin author who imports the SDK would build something else", mod.Replace, mod.Exclude)
	}
	if mod.Toolchain != "" {
		t.Errorf("go.mod asks for %s\n\trule: no toolchain line: it makes the go command fetch another one", mod.Toolchain)
	}
}
