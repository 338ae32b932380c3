package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// maxInterned bounds the texts of a column that are shared between rows.
const maxInterned = 1 << 12

var byteOrderMark = []byte{0xef, 0xbb, 0xbf}

// readCSV reads a CSV file, gzipped if it begins like one. Spaces around cells
// are dropped. Line numbers survive quoted line breaks.
func readCSV(path string, opts Options) (part, error) {
	file, err := os.Open(path)
	if err != nil {
		return part{}, unwrapPath(err)
	}
	defer file.Close()
	buffered := bufio.NewReaderSize(file, 1<<16)
	var source io.Reader = buffered
	if head, _ := buffered.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return part{}, err
		}
		source = unzipped
	}
	text := bufio.NewReaderSize(source, 1<<16)
	if head, _ := text.Peek(3); bytes.Equal(head, byteOrderMark) {
		if _, err := text.Discard(3); err != nil {
			return part{}, err
		}
	}
	reader := csv.NewReader(text)
	reader.ReuseRecord = true
	if opts.Separator != 0 {
		reader.Comma = rune(opts.Separator)
	}
	names := opts.Columns
	if len(names) == 0 {
		header, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return part{}, errors.New("file is empty; it needs a header line, or the manifest columns")
		} else if err != nil {
			return part{}, err
		}
		names = make([]string, len(header))
		seen := map[string]bool{}
		for i, name := range header {
			names[i] = strings.TrimSpace(name)
			if seen[names[i]] {
				return part{}, fmt.Errorf("column %q is in the header twice", names[i])
			}
			seen[names[i]] = true
		}
	} else {
		reader.FieldsPerRecord = len(names)
	}
	return readRecords(reader, names, opts)
}

func readRecords(reader *csv.Reader, names []string, opts Options) (part, error) {
	type wanted struct {
		field int
		known map[string]string
		texts []string
	}
	var columns []wanted
	for i, name := range names {
		if opts.Want(name) {
			columns = append(columns, wanted{field: i, known: map[string]string{}, texts: []string{}})
		}
	}
	var lines []int32
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return part{}, err
		}
		line, _ := reader.FieldPos(0)
		lines = append(lines, int32(line))
		for i := range columns {
			c := &columns[i]
			cell := strings.TrimSpace(record[c.field])
			text, ok := c.known[cell]
			if !ok {
				text = strings.Clone(cell) // record is one string with all its cells
				if len(c.known) < maxInterned {
					c.known[text] = text
				}
			}
			c.texts = append(c.texts, text)
		}
	}
	p := part{names: slices.Clone(names), rows: len(lines), line: func(row int) int { return int(lines[row]) }}
	for _, c := range columns {
		p.columns = append(p.columns, NewText(names[c.field], c.texts, nil))
	}
	return p, nil
}

// unwrapPath drops the path from an error: the caller names the file.
func unwrapPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
