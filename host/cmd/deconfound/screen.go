package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen is a terminal as a whole, of which every picture replaces the last. It is
// the alternate one, so that what was there before comes back when it is closed.
type screen struct {
	w    io.Writer
	size func() (width, height int, err error)
}

// screenOf is the screen of a terminal, and nil where w is none that can be drawn on.
func screenOf(w io.Writer) *screen {
	if s, ok := w.(interface{ Size() (int, int, error) }); ok {
		return &screen{w, s.Size}
	}
	f, ok := w.(interface{ Fd() uintptr })
	if !ok || !terminal(w) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return &screen{w, func() (int, int, error) { return term.GetSize(int(f.Fd())) }}
}

// The ECMA-48 sequences that a picture needs, and xterm's for the alternate screen.
const (
	openScreen  = "\x1b[?1049h\x1b[?25l"
	closeScreen = "\x1b[?25h\x1b[?1049l"
	homeCursor  = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

func (s *screen) open() error {
	_, err := io.WriteString(s.w, openScreen)
	return err
}

func (s *screen) close() error {
	_, err := io.WriteString(s.w, closeScreen)
	return err
}

// draw shows the lines in the place of those before. They must fit.
func (s *screen) draw(lines []string) error {
	var b strings.Builder
	b.WriteString(homeCursor)
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + clearLine)
	}
	b.WriteString(clearBelow)
	_, err := io.WriteString(s.w, b.String())
	return err
}
