package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const magic = "\x93NUMPY"

// maxHeader bounds the header text: a real one has less than 200 bytes.
const maxHeader = 1 << 16

// ErrFormat is wrapped by every error about bytes that are not an NPY array
// this package can read.
var ErrFormat = errors.New("not a readable npy array")

// Header describes the array behind it.
type Header struct {
	// Type is the NumPy type string, such as "<f4".
	Type string
	// Shape is empty for a scalar.
	Shape []int
	// Offset is the position of the first element in the file.
	Offset int
}

// ItemSize is the number of bytes of one element.
func (h Header) ItemSize() int {
	n, err := strconv.Atoi(h.Type[2:])
	if err != nil {
		return 0
	}
	return n
}

// Len is the number of elements.
func (h Header) Len() int {
	n := 1
	for _, d := range h.Shape {
		n *= d
	}
	return n
}

// ParseHeader reads the header at the start of data, which may end anywhere
// after it. It checks that the size of the array does not overflow, not that
// the array is there.
func ParseHeader(data []byte) (Header, error) {
	if len(data) < 10 || string(data[:6]) != magic {
		return Header{}, fmt.Errorf("%w: no magic number", ErrFormat)
	}
	start, length := 10, int(binary.LittleEndian.Uint16(data[8:]))
	if major := data[6]; major >= 2 && major <= 3 {
		if len(data) < 12 {
			return Header{}, fmt.Errorf("%w: header ends early", ErrFormat)
		}
		start, length = 12, int(binary.LittleEndian.Uint32(data[8:]))
	} else if major != 1 {
		return Header{}, fmt.Errorf("%w: format version %d", ErrFormat, major)
	}
	if length > maxHeader || start+length > len(data) {
		return Header{}, fmt.Errorf("%w: header ends early", ErrFormat)
	}
	h, err := parseDict(string(data[start : start+length]))
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	h.Offset = start + length
	return h, nil
}

// parseDict reads the Python dictionary literal of a header. NumPy writes
// exactly three keys; their order and spacing are free.
func parseDict(text string) (Header, error) {
	kind, err := quoted(text, "'descr'")
	if err != nil {
		return Header{}, err
	}
	if len(kind) < 3 || !strings.ContainsRune("<|", rune(kind[0])) || !strings.ContainsRune("fiub", rune(kind[1])) {
		return Header{}, fmt.Errorf("element type %q is not a little-endian number", kind)
	}
	switch kind[2:] {
	case "1", "2", "4", "8":
	default:
		return Header{}, fmt.Errorf("element type %q is not a little-endian number", kind)
	}
	order, err := value(text, "'fortran_order'")
	if err != nil {
		return Header{}, err
	}
	if !strings.HasPrefix(order, "False") {
		return Header{}, errors.New("array is in Fortran order; save np.ascontiguousarray(x)")
	}
	rest, err := value(text, "'shape'")
	if err != nil {
		return Header{}, err
	}
	inner, _, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
	if !strings.HasPrefix(rest, "(") || !closed {
		return Header{}, errors.New("shape is not a tuple")
	}
	h := Header{Type: kind}
	total := uint64(1)
	for part := range strings.SplitSeq(inner, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		n, err := strconv.ParseUint(part, 10, 40)
		if err != nil {
			return Header{}, fmt.Errorf("dimension %q", part)
		}
		if n > 0 && total > math.MaxInt64/16/n {
			return Header{}, errors.New("array is too large")
		}
		total *= n
		h.Shape = append(h.Shape, int(n))
	}
	return h, nil
}

func value(text, key string) (string, error) {
	_, rest, found := strings.Cut(text, key)
	if !found {
		return "", fmt.Errorf("header has no key %s", key)
	}
	rest = strings.TrimLeft(rest, " ")
	if !strings.HasPrefix(rest, ":") {
		return "", fmt.Errorf("header key %s has no value", key)
	}
	return strings.TrimLeft(rest[1:], " "), nil
}

func quoted(text, key string) (string, error) {
	rest, err := value(text, key)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(rest, "'") {
		return "", fmt.Errorf("header key %s is not a string", key)
	}
	inner, _, closed := strings.Cut(rest[1:], "'")
	if !closed {
		return "", fmt.Errorf("header key %s is not a string", key)
	}
	return inner, nil
}
