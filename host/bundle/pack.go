package bundle

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// Packed is an archive in a temporary file.
type Packed struct {
	Sum  [sha256.Size]byte
	Size int64
	file *os.File
}

// Pack archives a directory: regular files, whether they are executable or private,
// and links within the directory. Times and owners are left out, so that equal
// trees give equal archives. Close the answer to remove the file.
func Pack(ctx context.Context, dir string) (_ *Packed, err error) {
	file, err := os.CreateTemp("", "deconfound-bundle-*")
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", dir, err)
	}
	p := &Packed{file: file}
	defer func() {
		if err != nil {
			_ = p.Close() // the error that counts is on its way
			err = fmt.Errorf("pack %s: %w", dir, err)
		}
	}()
	sum := sha256.New()
	packer, err := zstd.NewWriter(io.MultiWriter(file, sum), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer packer.Close()
	if err := writeTree(ctx, tar.NewWriter(packer), dir); err != nil {
		return nil, err
	}
	if err := packer.Close(); err != nil {
		return nil, err
	}
	if p.Size, err = file.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	sum.Sum(p.Sum[:0])
	return p, nil
}

// Open reads the archive from its beginning. One reader at a time.
func (p *Packed) Open() (io.Reader, error) {
	_, err := p.file.Seek(0, io.SeekStart)
	return p.file, err
}

// Close removes the archive.
func (p *Packed) Close() error {
	err := p.file.Close()
	if removed := os.Remove(p.file.Name()); err == nil {
		err = removed
	}
	return err
}

func writeTree(ctx context.Context, w *tar.Writer, dir string) error {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	// WalkDir visits in lexical order.
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: filepath.ToSlash(name), Format: tar.FormatPAX, Mode: int64(info.Mode().Perm() & 0o755)}
		switch {
		case d.IsDir():
			h.Typeflag = tar.TypeDir
		case d.Type()&fs.ModeSymlink != 0:
			h.Typeflag = tar.TypeSymlink
			if h.Linkname, err = os.Readlink(path); err != nil {
				return err
			}
			if !filepath.IsLocal(filepath.Join(filepath.Dir(name), h.Linkname)) || filepath.IsAbs(h.Linkname) {
				return fmt.Errorf("link %s leads out of the directory, or is absolute", name)
			}
		case d.Type().IsRegular():
			h.Typeflag, h.Size = tar.TypeReg, info.Size()
		default:
			return fmt.Errorf("%s is no regular file", name)
		}
		if err := w.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
			return err
		}
		from, err := os.Open(path)
		if err != nil {
			return err
		}
		defer from.Close()
		_, err = io.Copy(w, from) // the writer refuses a file that has grown
		return err
	})
	if err != nil {
		return err
	}
	return w.Close()
}
