package bundle

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// Limits of an archive that anybody may have written.
const (
	maxFiles  = 1 << 17
	maxWindow = 64 << 20 // bytes that decompression may look back
)

// Unpack writes an archive into an empty directory, at most limit bytes of it. It
// writes nowhere else, whatever the archive says, and reads the archive to its
// end: an error of the reader there is one of Unpack. After an error the directory
// holds a part.
func Unpack(archive io.Reader, dir string, limit int64) error {
	if err := unpack(archive, dir, limit); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

func unpack(archive io.Reader, dir string, limit int64) error {
	// Every access goes through root, which no path and no link leaves.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	unpacker, err := zstd.NewReader(archive, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<62), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer unpacker.Close()
	r := tar.NewReader(unpacker)
	var links []*tar.Header
	for files := 0; ; files++ {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if limit -= h.Size; limit < 0 || files >= maxFiles {
			return fmt.Errorf("more than %d files, or larger than there is room for", maxFiles)
		}
		name := filepath.FromSlash(h.Name)
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%q is not a path within the directory", h.Name)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.Mkdir(name, fs.FileMode(h.Mode)&0o755|0o700)
		case tar.TypeReg:
			err = writeFile(root, name, fs.FileMode(h.Mode)&0o755|0o400, r)
		case tar.TypeSymlink:
			links = append(links, h)
		default:
			err = fmt.Errorf("%q is neither a file, a directory nor a link", h.Name)
		}
		if err != nil {
			return err
		}
	}
	// Last, so that nothing is written through one.
	for _, h := range links {
		if !filepath.IsLocal(filepath.Join(filepath.Dir(h.Name), h.Linkname)) || filepath.IsAbs(h.Linkname) {
			return fmt.Errorf("link %q leads out of the directory", h.Name)
		}
		if err := root.Symlink(filepath.FromSlash(h.Linkname), filepath.FromSlash(h.Name)); err != nil {
			return err
		}
	}
	// The sum of the whole is known only at its end.
	if _, err := io.Copy(io.Discard, unpacker); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, archive)
	return err
}

func writeFile(root *os.Root, name string, mode fs.FileMode, from io.Reader) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, from)
	// What the umask took away belongs to the tree.
	return errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
}
