package plugin

import (
	"bufio"
	"io"
	"regexp"
	"strings"
	"sync"
)

const (
	// keptLines is the number of log lines kept per process.
	keptLines = 200
	// shownLines of them are part of an error's text.
	shownLines = 20
	// longestDump is the number of lines that a fatal message may go on for.
	longestDump = 5000
	// maxLine is where a log line is cut, in bytes.
	maxLine = 4 << 10
)

// tail collects what a process prints: the last lines are kept, everything is
// passed on to a log.
type tail struct {
	mu    sync.Mutex
	log   io.Writer // nil for none
	lines []string
	next  int // where the next line goes once lines is full
	count int // lines so far

	cry   []string // the first lines of the last fatal message
	cryAt int      // where it began
}

// add takes one line without its end.
func (t *tail) add(line string) {
	// Lines end up in errors and in the database, which take only valid text.
	line = strings.ReplaceAll(strings.ToValidUTF8(line, "�"), "\x00", "")
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log != nil {
		_, _ = io.WriteString(t.log, line+"\n")
	}
	t.count++
	if fatal.MatchString(line) && (len(t.cry) == 0 || t.count-t.cryAt >= shownLines) {
		t.cry, t.cryAt = nil, t.count
	}
	if t.cryAt > 0 && t.count-t.cryAt < shownLines {
		t.cry = append(t.cry, line)
	}
	if len(t.lines) < keptLines {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.next] = line
	t.next = (t.next + 1) % keptLines
}

// last returns the newest n lines, oldest first.
func (t *tail) last(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ordered := append(append([]string{}, t.lines[t.next:]...), t.lines[:t.next]...)
	return ordered[max(0, len(ordered)-n):]
}

// fatal begins what a runtime prints about the end of a program.
var fatal = regexp.MustCompile(`^(panic: |fatal error: |SIG[A-Z]+: |Traceback )`)

// quote is the end of an error message: the newest lines, or those from the last
// cry of a dying runtime on, which a long dump of stacks may follow.
func (t *tail) quote() string {
	lines := t.last(shownLines)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.cry) > 0 && t.count-t.cryAt < longestDump {
		lines = t.cry
	}
	if len(lines) == 0 {
		return "; it printed nothing"
	}
	return "; its last lines:\n  " + strings.Join(lines, "\n  ")
}

// follow adds lines from r until it ends. Lines for which take answers true are
// left out.
func (t *tail) follow(r io.Reader, take func(line string) bool) {
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, more, err := in.ReadLine()
		if err != nil {
			return
		}
		text := string(line)
		for more && err == nil { // the rest of a line that is too long
			_, more, err = in.ReadLine()
		}
		if take == nil || !take(text) {
			t.add(text)
		}
	}
}
