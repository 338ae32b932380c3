package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// ErrDamaged is wrapped by errors about a store whose files are not what they
// were when it was built.
var ErrDamaged = errors.New("store is damaged")

// writeSums writes the checksums of all files below dir in the format of
// sha256sum.
func writeSums(dir string) error {
	var text strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		sum, err := fileSum(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, sumsFile), func(w io.Writer) error {
		_, err := io.WriteString(w, text.String())
		return err
	})
}

func fileSum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// verified remembers files this process has checked, so that a worker that
// opens a store for every slice reads a large one once.
var verified sync.Map // fileState -> struct{}

type fileState struct {
	path, sum      string
	size, modified int64
}

// checkSums compares every file of a store with its checksum.
func checkSums(dir string) error {
	file, err := os.Open(filepath.Join(dir, sumsFile))
	if err != nil {
		return fmt.Errorf("%w: %w; remove it and build it again", ErrDamaged, err)
	}
	defer file.Close()
	count := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok || !filepath.IsLocal(name) {
			return fmt.Errorf("%w: %s is not readable; remove it and build it again", ErrDamaged, sumsFile)
		}
		if err := checkSum(filepath.Join(dir, filepath.FromSlash(name)), sum); err != nil {
			return fmt.Errorf("%w: %s: %w; remove it and build it again", ErrDamaged, dir, err)
		}
		count++
	}
	if count == 0 {
		return fmt.Errorf("%w: %s is empty; remove it and build it again", ErrDamaged, sumsFile)
	}
	return nil
}

func checkSum(path, sum string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	state := fileState{path, sum, info.Size(), info.ModTime().UnixNano()}
	if _, known := verified.Load(state); known {
		return nil
	}
	got, err := fileSum(path)
	if err != nil {
		return err
	}
	if got != sum {
		return fmt.Errorf("%s has changed", filepath.Base(path))
	}
	verified.Store(state, struct{}{})
	return nil
}
