package plugin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TreeHash is "sha256:" and the SHA-256 of everything in a directory: of every
// file its path, whether it is executable, and its content; of every link its
// target. It does not depend on times, owners or the order of the directory.
// A link that leaves the directory is an error, since what it leads to would
// not be covered.
func TreeHash(dir string) (string, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("hash plugin: %w", err)
	}
	sum := sha256.New()
	// WalkDir visits in lexical order.
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			target, err := linkTarget(root, path)
			if err != nil {
				return err
			}
			fmt.Fprintf(sum, "link %q %q\n", name, target)
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%s is no regular file", path)
		}
		fmt.Fprintf(sum, "file %q %t %d\n", name, info.Mode()&0o111 != 0, info.Size())
		return copyFile(sum, path, info.Size())
	})
	if err != nil {
		return "", fmt.Errorf("hash plugin %s: %w", dir, err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// linkTarget returns where a link points to, relative to root.
func linkTarget(root, path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	target, err := filepath.Rel(root, resolved)
	if err != nil || target == ".." || strings.HasPrefix(target, ".."+string(filepath.Separator)) {
		return "", fmt.Errorf("%s leads out of the plugin's directory to %s; copy the file instead", path, resolved)
	}
	return filepath.ToSlash(target), nil
}

// copyFile fails when the file does not have the size that was announced, which
// would let two trees share one hash.
func copyFile(w io.Writer, path string, want int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(w, f)
	if err == nil && n != want {
		err = fmt.Errorf("%s changed while it was read", path)
	}
	return err
}
