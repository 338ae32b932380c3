package bundle

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Here is the platform of this program, as Platform gives it.
const Here = runtime.GOOS + "/" + runtime.GOARCH

// machineCode are the first bytes of programs and libraries: ELF, Mach-O of both
// byte orders and of several machines in one, and Windows.
var machineCode = [][]byte{
	[]byte("\x7fELF"), []byte("\xfe\xed\xfa\xcf"), []byte("\xcf\xfa\xed\xfe"), []byte("\xca\xfe\xba\xbe"), []byte("MZ"),
}

// Platform says for what a directory was built: Here if there is machine code in it,
// "" if it holds nothing but scripts and data, which run anywhere.
func Platform(dir string) (string, error) {
	platform := ""
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		var head [4]byte
		if _, err := io.ReadFull(file, head[:]); err != nil {
			return nil // shorter than any program
		}
		for _, magic := range machineCode {
			if bytes.HasPrefix(head[:], magic) {
				platform = Here
				return fs.SkipAll
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look for programs in %s: %w", dir, err)
	}
	return platform, nil
}
