package pglocal

import (
	"errors"
	"io"
	"os"
	"strings"
)

const (
	maxLog    = 10 << 20 // bytes after which a new supervisor begins a new log
	tailBytes = 8 << 10
	tailLines = 20
)

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// tail reads the last lines of what a file holds beyond the offset since.
func tail(path string, since int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	size := fileSize(path)
	if size < since {
		since = 0 // begun anew
	}
	from := max(since, size-tailBytes)
	b := make([]byte, size-from)
	n, err := f.ReadAt(b, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b[:n])), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// openLog opens the log for appending, begun anew if it has grown large.
func openLog(path string) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if fileSize(path) > maxLog {
		flags |= os.O_TRUNC
	}
	return os.OpenFile(path, flags, 0o600)
}
