package plugin

import (
	"os"
	"path/filepath"
	"strings"
)

// Stale names a Go file in the plugin's directory that was changed after the
// program was built, "" if there is none: the program is not what its author
// reads.
func (e Entry) Stale() string {
	path, err := e.program()
	if err != nil {
		return ""
	}
	built, err := os.Stat(path)
	if err != nil {
		return ""
	}
	files, _ := filepath.Glob(filepath.Join(e.Dir, "*.go"))
	newest, at := "", built.ModTime()
	for _, file := range files {
		info, err := os.Stat(file)
		if err == nil && !strings.HasSuffix(file, "_test.go") && info.ModTime().After(at) {
			newest, at = filepath.Base(file), info.ModTime()
		}
	}
	return newest
}
